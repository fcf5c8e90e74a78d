"""The words of the made-up databases: what their tables are called, what stands in them, which belong together.

All words are our own, none reserved in MySQL 8, MariaDB or SQLite. Kept small and regular, so that a model of a
million parameters can learn to ask: a table is called as a question calls it, columns and values are one word,
every word of a held-out database also stands in one to train on (a test checks it). Which columns a table has
differs from database to database, so they have to be looked up.
"""

from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "validation", "test"]

PLURAL = frozenset(("goals", "pages", "points", "votes", "wins"))  # columns that take "are"

NUMBERS = {
    "age": (18, 79),
    "area": (20, 900),
    "budget": (100, 999),
    "capacity": (20, 800),
    "cost": (10, 600),
    "depth": (5, 200),
    "distance": (10, 500),
    "duration": (10, 300),
    "goals": (1, 95),
    "height": (10, 300),
    "income": (200, 999),
    "length": (10, 400),
    "pages": (40, 900),
    "points": (1, 99),
    "population": (100, 999),
    "price": (10, 500),
    "prize": (50, 900),
    "salary": (200, 999),
    "score": (1, 99),
    "speed": (10, 250),
    "stock": (5, 400),
    "temperature": (1, 60),
    "votes": (10, 990),
    "weight": (10, 900),
    "wins": (1, 80),
    "year": (1930, 2024),
}
"""Columns of whole numbers with their least and largest value. No two rows of a table share one."""

DECIMALS = {"rating": (10, 99)}  # counted in tenths

_CHOICE_TEXT = {
    "city": "Selmora Tarvik Oldmere Quillon Brasko Venhaven Lumet Arrowby Fennick Dorsal",
    "color": "red blue green black white yellow silver brown",
    "country": "Norland Estovia Kambria Pelusia Orinthia Zandar",
    "flavor": "sweet sour salty bitter smoky mild",
    "genre": "drama comedy mystery romance fantasy history",
    "grade": "gold bronze copper iron",
    "language": "Norish Estovian Kambric Pelusian Zandari",
    "material": "wood steel glass stone paper plastic cotton",
    "season": "spring summer autumn winter",
    "shape": "round square oval narrow",
    "size": "small medium large giant",
    "skill": "sailing cooking climbing dancing fishing chess",
    "status": "open closed planned broken",
    "style": "modern classic simple rustic formal",
    "weather": "sunny rainy windy foggy snowy",
}
CHOICES = {column: tuple(text.split()) for column, text in _CHOICE_TEXT.items()}
"""Columns of a few words that many rows share."""

_NAME_TEXT = """
    Abelo Adira Alvek Amris Arnova Baldor Belika Borun Brenna Calvo Cedra Corvin Dalia Davor Delmar Dorika
    Edrin Elvara Emsel Estin Fabrin Falka Fenrik Garlo Gemra Gorven Halden Helvi Hobart Idris Ilvana Isko
    Jarvik Jelena Jorun Kalina Kerrin Kolbe Lavra Lendor Lorvik Malina Marlow Mendra Merrin Nadir Nelka
    Norvin Odessa Olvar Orlin Pavra Pelmar Petrik Quenna Ralvo Renika Rostan Sabrel Selvin Sorrel Tamsin
    Tavor Tilda Torvald Ulrika Umbrel Valden Vesna Vidor Wendra Wilmar Yanik Yorvel Zelda Zorin
"""
NAMES = tuple(_NAME_TEXT.split())
"""What persons, places and things are called; unique within a table."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of table: its name, one of its rows, whether rows have names, the columns it may have."""

    table: str
    one: str
    named: bool
    columns: tuple[str, ...]


_PERSON = "age salary city country skill language points"
_PLACE = "city country area budget year status population"
_THING = "price weight year color material size"
_EVENT = "year duration cost season weather status"

_KIND_TEXT = f"""
captains captain: {_PERSON} grade
coaches coach: {_PERSON} wins grade
doctors doctor: {_PERSON} grade
drivers driver: {_PERSON} wins distance
farmers farmer: {_PERSON} income
guides guide: {_PERSON} rating
members member: {_PERSON} score grade
owners owner: {_PERSON} income
pilots pilot: {_PERSON} distance grade
players player: {_PERSON} goals height weight
singers singer: {_PERSON} votes genre
students student: {_PERSON} score grade
teachers teacher: {_PERSON} rating
visitors visitor: {_PERSON} height
workers worker: {_PERSON} grade rating
writers writer: {_PERSON} votes genre
airports airport: {_PLACE} length temperature
clubs club: {_PLACE} income wins color
companies company: {_PLACE} income stock
farms farm: {_PLACE} income weather
gardens garden: {_PLACE} temperature style
harbors harbor: {_PLACE} depth capacity
hotels hotel: {_PLACE} price rating style
islands island: {_PLACE} height temperature weather
museums museum: {_PLACE} price style rating
parks park: {_PLACE} distance weather
schools school: {_PLACE} capacity score language
shops shop: {_PLACE} income stock rating
stadiums stadium: {_PLACE} capacity height shape
stations station: {_PLACE} depth capacity style
teams team: {_PLACE} points wins color
theaters theater: {_PLACE} capacity price style
animals animal: {_THING} age height speed
bikes bike: {_THING} speed style
boats boat: {_THING} length speed capacity
books book: price weight year pages genre language size
bridges bridge: {_THING} length height shape
buses bus: {_THING} length speed capacity
cakes cake: {_THING} flavor height shape
cars car: {_THING} speed length
chairs chair: {_THING} height style shape
courses course: price year duration language capacity score
dishes dish: price weight flavor temperature size score
films film: cost year duration genre language rating
flowers flower: {_THING} height season
games game: {_THING} duration genre score
horses horse: {_THING} age height speed wins
lamps lamp: {_THING} height style shape
machines machine: {_THING} speed height status
paintings painting: {_THING} height length style
planes plane: {_THING} length speed capacity
plays play: cost year duration genre language votes
robots robot: {_THING} height speed points skill
rooms room: price area height capacity style color
songs song: price year duration genre language votes
toys toy: {_THING} height stock shape
trails trail: length height year distance season status
trains train: {_THING} length speed capacity
trees tree: height age year size color flavor
concerts concert: {_EVENT} income votes
contests contest: {_EVENT} prize points
flights flight: {_EVENT} distance speed
harvests harvest: {_EVENT} weight income
lessons lesson: {_EVENT} price language
loans loan: {_EVENT} price stock
races race: {_EVENT} distance prize
repairs repair: {_EVENT} price material
reviews review: year score votes points language season
tours tour: {_EVENT} distance price
trips trip: {_EVENT} distance price
visits visit: {_EVENT} price score
"""

_NAMELESS_TEXT = "concerts contests flights harvests lessons loans races repairs reviews tours trips visits"
_NAMELESS = frozenset(_NAMELESS_TEXT.split())


def _read_kinds() -> dict[str, Kind]:
    kinds = {}
    for line in _KIND_TEXT.strip().splitlines():
        names, columns = line.split(": ")
        table, one = names.split()
        kinds[table] = Kind(table, one, table not in _NAMELESS, tuple(columns.split()))
    return kinds


KINDS = _read_kinds()


@dataclass(frozen=True, slots=True)
class Domain:
    """One database: its name, its split, and its tables with the tables that each refers to."""

    name: str
    split: Split
    tables: tuple[tuple[str, tuple[str, ...]], ...]


_DOMAIN_TEXT = """
ferry_company train: harbors captains boats<harbors,captains trips<boats
rowing_club train: clubs coaches members<clubs,coaches boats<clubs races<boats
fruit_farm train: farmers farms<farmers trees<farms harvests<trees
city_library train: writers books<writers members loans<books,members reviews<books
flying_school train: airports pilots<airports planes<airports lessons<pilots,planes
sea_airline train: companies pilots<companies planes<companies flights<pilots,planes
football_union train: stadiums teams<stadiums coaches<teams players<teams
school_district train: schools teachers<schools students<schools courses<teachers lessons<courses,students
art_gallery train: museums paintings<museums guides<museums visits<museums
repair_garage train: owners cars<owners workers repairs<cars,workers
toy_factory train: companies machines<companies workers<machines toys<companies
night_theater train: theaters writers plays<writers,theaters visitors visits<visitors,plays
island_tours train: islands guides<islands tours<islands,guides hotels<islands
horse_stable train: owners horses<owners coaches races<horses contests<horses
city_zoo train: parks animals<parks workers<parks visitors visits<visitors,parks
bakery_chain train: shops cakes<shops workers<shops contests<cakes
music_label train: companies singers<companies songs<singers concerts<singers
tram_network train: stations drivers trains<stations trips<trains,drivers
furniture_house train: shops chairs<shops lamps<shops reviews<chairs
game_studio train: companies games<companies players reviews<games,players
flower_show train: gardens flowers<gardens farmers harvests<gardens contests<flowers,farmers
robot_league train: teams robots<teams contests<robots repairs<robots
village_inns train: hotels rooms<hotels dishes<hotels visitors<hotels visits<rooms
bike_rental train: shops bikes<shops members loans<bikes,members
mountain_park train: parks trails<parks guides<parks tours<trails,guides
clinic_group train: companies doctors<companies visitors visits<doctors,visitors
coach_lines train: companies drivers<companies buses<companies trips<buses,drivers
film_fund train: companies films<companies writers<companies reviews<films
river_works train: companies workers<companies bridges repairs<bridges,workers
dance_school train: schools teachers<schools courses<teachers members<courses
harbor_museum validation: harbors museums<harbors boats<museums visits<museums
street_food validation: owners shops<owners dishes<shops reviews<dishes
winter_sports validation: clubs coaches<clubs players<clubs races<players
garden_trust validation: gardens trees<gardens workers<gardens visits<gardens
fishing_fleet test: harbors captains<harbors boats<captains harvests<boats repairs<boats
racing_team test: teams drivers<teams cars<teams races<cars,drivers
chess_academy test: schools teachers<schools students<teachers contests<students lessons<teachers
opera_house test: theaters singers<theaters concerts<singers visitors visits<visitors,theaters
animal_farm test: farms farmers<farms animals<farms horses<farms
air_museum test: museums planes<museums guides<museums tours<museums,guides
book_trade test: shops books<shops writers<shops loans<books
robot_factory test: companies workers<companies robots<companies repairs<robots,workers
hotel_island test: islands hotels<islands rooms<hotels visitors<hotels
"""


def _read_domains() -> tuple[Domain, ...]:
    domains = []
    for line in _DOMAIN_TEXT.strip().splitlines():
        head, tables = line.split(": ")
        name, split = head.split()
        linked = [table.partition("<") for table in tables.split()]
        rows = tuple((table, tuple(parents.split(",")) if parents else ()) for table, _, parents in linked)
        domains.append(Domain(name, split, rows))  # type: ignore[arg-type]
    return tuple(domains)


DOMAINS = _read_domains()
