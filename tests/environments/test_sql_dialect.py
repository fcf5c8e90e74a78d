"""MySQL's SQL on SQLite: what statements return, and in which words they fail."""

import pytest

from rro.tasks.environments.intercode_sql.sqlite_database import SqliteDatabase
from tests.environments.small_sql import DB

VALUES = [
    # Strings and names.
    ("SELECT \"it's\", 'a' 'b', 'x\\'y', '%\\n'", "[(\"it's\", 'ab', \"x'y\", '%\\n')]"),
    ('SELECT name FROM boats WHERE name = "ARDO"', "[('Ardo',)]"),
    ("SELECT `name` FROM `harbor`.`boats` WHERE harbor.boats.id = 1", "[('Ardo',)]"),
    ("SELECT BOATS.Name FROM Boats WHERE ID = 1", "[('Ardo',)]"),
    # Comparison of text: letter case, accents and spaces at the end do not count.
    ("SELECT COUNT(*) FROM boats WHERE home = 'KIEL'", "[(2,)]"),
    (
        "SELECT name FROM boats WHERE home = 'vigo' OR home = 'malaga' ORDER BY name",
        "[('bella',), (\"D'Arc\",)]",
    ),
    ("SELECT DISTINCT home FROM boats ORDER BY home", "[('Kiel',), ('Málaga',), ('Vigo ',)]"),
    ("SELECT COUNT(DISTINCT home) FROM boats", "[(3,)]"),
    ("SELECT name FROM boats ORDER BY name", "[('Ardo',), ('bella',), ('Cosmo',), (\"D'Arc\",)]"),
    ("SELECT name FROM boats WHERE name IN ('BELLA', 'cosmo')", "[('bella',), ('Cosmo',)]"),
    ("SELECT MAX(name), MIN(name) FROM boats", "[(\"D'Arc\", 'Ardo')]"),
    ("SELECT UPPER(name) = 'ardo' FROM boats WHERE id = 1", "[(1,)]"),
    # LIKE and REGEXP.
    ("SELECT name FROM boats WHERE home LIKE 'k%L'", "[('Ardo',), ('Cosmo',)]"),
    ("SELECT name FROM boats WHERE home LIKE '%la_a'", '[("D\'Arc",)]'),
    (
        "SELECT 'a%b' LIKE 'a\\%b', 'axb' LIKE 'a\\%b', 'a%' LIKE 'a!%' ESCAPE '!', 'ab' LIKE 'a'",
        "[(1, 0, 1, 0)]",
    ),
    ("SELECT name FROM boats WHERE name NOT LIKE '%o' AND home NOT LIKE 'V%'", '[("D\'Arc",)]'),
    (
        "SELECT 'abab' LIKE '%ab', 'abab' LIKE 'ab%ab', 'ab' LIKE 'ab%ab', '' LIKE '%', 'x' LIKE ''",
        "[(1, 1, 0, 1, 0)]",
    ),
    ("SELECT name FROM boats WHERE name REGEXP '^[a-b]' AND name RLIKE 'o|a$'", "[('Ardo',), ('bella',)]"),
    ("SELECT name FROM boats WHERE name NOT REGEXP 'a'", "[('Cosmo',)]"),
    # Numbers.
    ("SELECT 7 / 2, 7 DIV 2, 7 % 4, 7 MOD 4, MOD(7, 4), -7 / 2", "[(3.5, 3, 3, 3, 3, -3.5)]"),
    ("SELECT 1 / 0, 1 % 0, NULL <=> NULL, 1 <=> NULL", "[(None, None, 1, 0)]"),
    ("SELECT 1 || 0, 1 && 0, !1, NOT 0, TRUE, FALSE", "[(1, 0, 0, 1, 1, 0)]"),
    ("SELECT COUNT(*) FROM boats WHERE code > 10", "[(2,)]"),
    ("SELECT COUNT(*) FROM boats b WHERE b.code BETWEEN 9 AND 12 AND 5 < b.code", "[(2,)]"),
    ("SELECT COUNT(*) FROM boats WHERE code IN (9, 110) AND id = '2'", "[(1,)]"),
    ("SELECT name FROM boats WHERE code > (SELECT AVG(code) FROM boats)", "[('Cosmo',)]"),
    (
        "SELECT ROUND(2.5), ROUND(1.255, 2), ROUND(-1.5), ROUND(15, -1), TRUNCATE(1.99, 1)",
        "[(3.0, 1.26, -2.0, 20, 1.9)]",
    ),
    (
        "SELECT CEIL(1.2), FLOOR(-1.2), ABS(-3), SIGN(-2), SQRT(16), POW(2, 10)",
        "[(2, -2, 3, -1, 4.0, 1024.0)]",
    ),
    ("SELECT GREATEST(1, 3, 2), LEAST('b', 'a'), GREATEST(1, NULL)", "[(3, 'a', None)]"),
    ("SELECT FORMAT(1234567.891, 2), FORMAT(0.5, 0)", "[('1,234,567.89', '1')]"),
    (
        "SELECT CAST('12abc' AS SIGNED), CAST(1.7 AS SIGNED), CAST(1.255 AS DECIMAL(10,2)), CONVERT(5, CHAR)",
        "[(12, 2, 1.26, '5')]",
    ),
    ("SELECT LN(1), LOG(2, 8), LOG10(100), EXP(0), SQRT(-1), LOG(0)", "[(0.0, 3.0, 2.0, 1.0, None, None)]"),
    ("SELECT VARIANCE(id), STDDEV_SAMP(id) FROM boats", "[(1.25, 1.2909944487358056)]"),
    # Texts.
    (
        "SELECT CONCAT('a', 1, 2.0), CONCAT('a', NULL), CONCAT_WS('-', 'a', NULL, 'b')",
        "[('a12', None, 'a-b')]",
    ),
    (
        "SELECT LENGTH('é'), CHAR_LENGTH('é'), UPPER('é'), LCASE('É'), REVERSE('abc')",
        "[(2, 1, 'É', 'é', 'cba')]",
    ),
    (
        "SELECT SUBSTRING('abcde', 2, 3), SUBSTR('abcde', -2), MID('abcde' FROM 2 FOR 1), SUBSTRING('abc', 0)",
        "[('bcd', 'de', 'b', '')]",
    ),
    (
        "SELECT LEFT('abc', 2), RIGHT('abc', 2), LPAD('a', 3, 'xy'), RPAD('abc', 2, 'x')",
        "[('ab', 'bc', 'xya', 'ab')]",
    ),
    ("SELECT INSTR('abC', 'c'), LOCATE('a', 'banana', 3), POSITION('n' IN 'banana')", "[(3, 4, 3)]"),
    (
        "SELECT TRIM('  a '), TRIM(LEADING 'x' FROM 'xxax'), TRIM('x' FROM 'xax'), LTRIM(' a')",
        "[('a', 'ax', 'a', 'a')]",
    ),
    (
        "SELECT REPLACE('abab', 'b', 'cc'), REPEAT('ab', 2), SUBSTRING_INDEX('a.b.c', '.', 2)",
        "[('accacc', 'abab', 'a.b')]",
    ),
    (
        "SELECT FIELD('b', 'a', 'B'), ELT(2, 'a', 'b'), STRCMP('a', 'B'), ASCII('A'), HEX(255)",
        "[(2, 'b', -1, 65, 'FF')]",
    ),
    (
        "SELECT IF(1 > 2, 'a', 'b'), IFNULL(NULL, 1), NULLIF(1, 1), ISNULL(NULL), COALESCE(NULL, 2)",
        "[('b', 1, None, 1, 2)]",
    ),
    ("SELECT GROUP_CONCAT(name ORDER BY id SEPARATOR '; ') FROM boats WHERE id < 3", "[('Ardo; bella',)]"),
    ("SELECT GROUP_CONCAT(DISTINCT length) FROM boats WHERE id < 4", "[('7.5,12.0',)]"),
    ("SELECT COUNT(DISTINCT length, home) FROM boats", "[(3,)]"),
    # Times.
    (
        "SELECT built FROM boats WHERE id < 4",
        "[(datetime.date(1999, 4, 1),), (datetime.date(2004, 10, 31),), (None,)]",
    ),
    ("SELECT MAX(day) FROM trips", "[(datetime.datetime(2021, 12, 31, 23, 59, 59),)]"),
    (
        "SELECT YEAR(built), MONTH(built), DAY(built), DAYNAME(built), QUARTER(built) FROM boats WHERE id = 1",
        "[(1999, 4, 1, 'Thursday', 2)]",
    ),
    (
        "SELECT HOUR(day), MINUTE(day), DATE(day) FROM trips WHERE boat_id = 2",
        "[(9, 30, datetime.date(2020, 5, 1))]",
    ),
    (
        "SELECT DATE_FORMAT('2020-05-01 09:03:00', '%Y/%m/%d %H:%i %M %D %e %p')",
        "[('2020/05/01 09:03 May 1st 1 AM',)]",
    ),
    (
        "SELECT DATEDIFF('2020-03-01', '2020-02-01'), TIMESTAMPDIFF(YEAR, '2000-05-02', '2020-05-01')",
        "[(29, 19)]",
    ),
    (
        "SELECT DAY(DATE_ADD('2020-01-31', INTERVAL 1 MONTH)), DAY('2020-03-01' - INTERVAL 1 DAY)",
        "[(29, 29)]",
    ),
    (
        "SELECT EXTRACT(YEAR FROM '2020-05-01'), STR_TO_DATE('1/5/2020', '%d/%m/%Y') = '2020-05-01'",
        "[(2020, 1)]",
    ),
    ("SELECT COUNT(*) FROM boats WHERE built > '2000-01-01' AND built < DATE '2005-01-01'", "[(1,)]"),
    (
        "SELECT YEAR(CURDATE()), YEAR(NOW()), CURRENT_DATE() = CURRENT_DATE, DATE_FORMAT(CURRENT_TIMESTAMP, '%Y')",
        "[(2024, 2024, 1, '2024')]",
    ),
    ("SELECT YEAR('nonsense'), MONTH(NULL), DATEDIFF('x', NOW())", "[(None, None, None)]"),
    # Shapes of statements.
    ("(SELECT 1) UNION (SELECT 2) ORDER BY 1 DESC", "[(2,), (1,)]"),
    ("SELECT 1 UNION DISTINCT SELECT 1 UNION ALL SELECT 1", "[(1,), (1,)]"),
    ("SELECT name FROM boats ORDER BY id LIMIT 1, 2", "[('bella',), ('Cosmo',)]"),
    ("SELECT name FROM boats ORDER BY id LIMIT 1 OFFSET 3", '[("D\'Arc",)]'),
    ("SELECT 1 FROM DUAL", "[(1,)]"),
    (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT COUNT(*), SUM(i) FROM n",
        "[(3, 6)]",
    ),
    (
        "SELECT name, RANK() OVER (ORDER BY length DESC) FROM boats WHERE id < 3",
        "[('bella', 1), ('Ardo', 2)]",
    ),
    (
        "SELECT b.name, t.guests FROM boats b LEFT JOIN trips t ON b.id = t.boat_id WHERE t.guests IS NULL ORDER BY 1",
        "[('Cosmo', None), (\"D'Arc\", None)]",
    ),
    (
        "SELECT b.name FROM trips t RIGHT JOIN boats b ON b.id = t.boat_id WHERE t.day IS NULL",
        '[("D\'Arc",)]',
    ),
    ("SELECT DATABASE(), SCHEMA()", "[('harbor', 'harbor')]"),
    ("SELECT fare FROM trips WHERE boat_id = 2", "[(99.99,)]"),
]


@pytest.mark.parametrize(("statement", "rows"), VALUES, ids=[statement for statement, _ in VALUES])
def test_a_statement_of_mysql_has_mysqls_result(sqlite: SqliteDatabase, statement: str, rows: str) -> None:
    assert sqlite.run(DB, statement).observation == rows


ERRORS = [
    ("SELECT x FROM boats", "Unknown column 'x' in 'field list'"),
    ("SELECT name FROM boats WHERE y = 1", "Unknown column 'y' in 'where clause'"),
    ("SELECT name FROM boats b JOIN trips t ON b.id = t.z", "Unknown column 't.z' in 'on clause'"),
    ("SELECT name FROM boats GROUP BY z", "Unknown column 'z' in 'group statement'"),
    ("SELECT name FROM boats ORDER BY z", "Unknown column 'z' in 'order clause'"),
    ("SELECT * FROM ships", "Table 'harbor.ships' doesn't exist"),
    ("SELECT * FROM harbor.Ships", "Table 'harbor.ships' doesn't exist"),
    ("SELECT id FROM boats a JOIN boats b ON 1", "Column 'id' in field list is ambiguous"),
    ("SELECT FOO(name) FROM boats", "FUNCTION harbor.FOO does not exist"),
    ("SELEC 1", "syntax to use near 'SELEC 1' at line 1"),
    ("SELECT name FROM\nboats WHERE", "syntax to use near '' at line 2"),
    ("SELECT name name name FROM boats", "syntax to use near 'name name name FROM boats' at line 1"),
    ("SELECT (1", "syntax to use near '' at line 1"),
    ("SELECT 1)", "syntax to use near ')' at line 1"),
    ("SELECT name FROM boats WHERE COUNT(*) > 1", "Invalid use of group function"),
    ("SELECT 1 UNION SELECT 1, 2", "The used SELECT statements have a different number of columns"),
    ("SELECT * FROM boats WHERE id IN (SELECT id, name FROM boats)", "Operand should contain 1 column(s)"),
    ("SELECT rowid FROM boats", "Unknown column 'rowid' in 'field list'"),
    ("SELECT @x", "syntax to use near '@x' at line 1"),
    ("SELECT UPPER(name, 1) FROM boats", "Incorrect arguments to a function"),
    ("DROP TABLE boats", "DROP command denied to user 'agent'@'localhost'"),
    ("USE museum", "Access denied for user 'agent'@'localhost' to database 'museum'"),
    ("DESC ships", "Table 'harbor.ships' doesn't exist"),
    ("SHOW GRANTS", "syntax to use near 'GRANTS' at line 1"),
    ("SHOW TABLES WHERE 1", "syntax to use near 'WHERE 1' at line 1"),
    ("", "Query was empty"),
]


@pytest.mark.parametrize(("statement", "words"), ERRORS, ids=[statement for statement, _ in ERRORS])
def test_mistakes_are_told_in_mysqls_words(sqlite: SqliteDatabase, statement: str, words: str) -> None:
    answer = sqlite.run(DB, statement)
    assert answer.rows is None
    assert answer.observation.startswith("Error executing query: ")
    assert words in answer.observation


LOOKS = [
    ("SHOW TABLES", "[('boats',), ('trips',)]"),
    ("show tables from Harbor like 'B%'", "[('boats',)]"),
    ("SHOW FULL TABLES", "[('boats', 'BASE TABLE'), ('trips', 'BASE TABLE')]"),
    ("SHOW DATABASES", "[('harbor',)]"),
    ("DESC trips day", "[('day', 'datetime', 'NO', 'PRI', None, '')]"),
    ("DESCRIBE harbor.boats 'n%'", "[('name', 'varchar(40)', 'YES', '', None, '')]"),
    ("EXPLAIN `Boats` id", "[('id', 'int', 'NO', 'PRI', None, 'auto_increment')]"),
    ("SHOW COLUMNS FROM boats LIKE 'id'", "[('id', 'int', 'NO', 'PRI', None, 'auto_increment')]"),
    ("SHOW FIELDS IN boats IN harbor LIKE 'id'", "[('id', 'int', 'NO', 'PRI', None, 'auto_increment')]"),
    (
        "SHOW FULL COLUMNS FROM boats LIKE 'id'",
        "[('id', 'int', None, 'NO', 'PRI', None, 'auto_increment', 'select', '')]",
    ),
    ("USE harbor", "None"),
    ("USE `HARBOR`;", "None"),
]


@pytest.mark.parametrize(("statement", "answer"), LOOKS, ids=[statement for statement, _ in LOOKS])
def test_looking_around_is_answered_from_the_schema(
    sqlite: SqliteDatabase, statement: str, answer: str
) -> None:
    assert sqlite.run(DB, statement).observation == answer


def test_show_create_table_tells_columns_and_key(sqlite: SqliteDatabase) -> None:
    (row,) = sqlite.run(DB, "SHOW CREATE TABLE trips").rows or ()
    assert "`day` datetime NOT NULL" in row
    assert "PRIMARY KEY (`boat_id`,`day`)" in row
