"""The words of the made-up shop: what it sells, how goods differ, and how people ask for them.

All words are our own. Kept small and regular, so that a model of a million parameters can learn the shop:
some five hundred words, every attribute and option value one word. Words were chosen so that no attribute or
option value is taken for another by the reward's fuzzy comparison; the tests check it.
"""

from dataclasses import dataclass

OPTION_VALUES = {
    "color": ("black", "white", "gray", "blue", "green", "red", "yellow", "pink", "purple", "brown"),
    "size": ("small", "medium", "large", "jumbo"),
    "shoe size": ("6", "7", "8", "9", "10", "11"),
    "bed size": ("twin", "full", "queen", "king"),
    "material": ("oak", "pine", "bamboo", "steel", "glass", "marble"),
    "fabric": ("cotton", "linen", "wool", "silk", "fleece"),
    "flavor": ("vanilla", "chocolate", "mint", "lemon", "cherry", "honey", "ginger"),
    "scent": ("lavender", "citrus", "rose", "cedar", "jasmine"),
    "pack": ("single", "twofold", "family", "party"),
    "length": ("short", "regular", "extended"),
    "finish": ("matte", "glossy", "satin"),
    "style": ("classic", "modern", "vintage"),
    "pattern": ("plain", "striped", "dotted", "floral", "checked"),
    "firmness": ("soft", "springy", "hard"),
    "heat": ("mild", "spicy", "fiery"),
}

OPTION_PHRASES = {
    "color": "in {}",
    "size": "in size {}",
    "shoe size": "in size {}",
    "bed size": "in size {}",
    "material": "made of {}",
    "fabric": "made of {}",
    "flavor": "with {} flavor",
    "scent": "with {} scent",
    "pack": "in a {} pack",
    "length": "in {} length",
    "finish": "with {} finish",
    "style": "in {} style",
    "pattern": "with {} pattern",
    "firmness": "with {} firmness",
    "heat": "with {} heat",
}

TEMPLATES = (
    "i need {adjectives} {noun} {options}{extra}",
    "i am looking for {adjectives} {noun} {options}{extra}",
    "find me {adjectives} {noun} {options}{extra}",
    "i want to buy {adjectives} {noun} {options}{extra}",
    "please show me {adjectives} {noun} {options}{extra}",
    "can you get me {adjectives} {noun} {options}{extra}",
)

_BRAND_TEXT = """
    Velmora Tandrix Ostrello Kivanta Brunela Sorvik Palmeda Quintaro Halvenn Mirodo Fenwixt Calandro
    Zupello Norvenda Iskara Tremolio Galvesta Ruvanti Ombrika Peltano Dariveta Lumbrax Wistoro Javelka
    Corvanto Sylmera Bastiqo Eldravi Hondrel Yarvesto
"""
BRANDS = tuple(_BRAND_TEXT.split())


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of product: what it is called, what the cheap ones cost in dollars, and its option names."""

    noun: str
    price: int
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A category: its letters in the ASIN, its path, its attribute words, where goods are used, its kinds."""

    code: str
    path: str
    attributes: tuple[str, ...]
    place: str
    kinds: tuple[Kind, ...]


def _section(code: str, path: str, place: str, attributes: str, *kinds: Kind) -> Section:
    return Section(code, path, tuple(attributes.split()), place, kinds)


SECTIONS = (
    _section(
        "LAMP", "Home › Lighting", "home",
        "dimmable cordless foldable adjustable rechargeable flexible waterproof",
        Kind("desk lamp", 18, ("color", "finish")),
        Kind("floor lamp", 34, ("color", "style")),
        Kind("table lamp", 22, ("color", "finish", "style")),
        Kind("night light", 9, ("color",)),
        Kind("wall lantern", 26, ("finish", "style")),
    ),
    _section(
        "FURN", "Home › Furniture", "living room",
        "sturdy compact stackable swivel foldable padded scratchproof",
        Kind("coffee table", 62, ("material", "finish")),
        Kind("office chair", 70, ("color",)),
        Kind("book shelf", 48, ("material", "style")),
        Kind("bar stool", 38, ("color", "material")),
        Kind("shoe rack", 24, ("material",)),
    ),
    _section(
        "BEDD", "Home › Bedding", "bedroom",
        "breathable washable hypoallergenic quilted cooling reversible fluffy",
        Kind("pillow case", 11, ("color", "bed size")),
        Kind("duvet cover", 32, ("bed size", "pattern")),
        Kind("fitted sheet", 21, ("color", "bed size", "fabric")),
        Kind("throw blanket", 19, ("color", "fabric")),
        Kind("mattress pad", 42, ("bed size", "firmness")),
    ),
    _section(
        "COOK", "Home › Kitchen", "kitchen",
        "nonstick ovenproof stackable insulated ergonomic lightweight polished",
        Kind("frying pan", 24, ("color", "size")),
        Kind("sauce pot", 29, ("size",)),
        Kind("baking tray", 13, ("size", "finish")),
        Kind("cutting board", 17, ("material", "size")),
        Kind("tea kettle", 27, ("color", "finish")),
    ),
    _section(
        "BATH", "Home › Bathroom", "bathroom",
        "absorbent washable nonslip antibacterial drainable rustproof plush",
        Kind("bath towel", 14, ("color", "size")),
        Kind("shower curtain", 18, ("color", "pattern")),
        Kind("bath mat", 15, ("color", "size")),
        Kind("soap dish", 8, ("material",)),
        Kind("laundry basket", 22, ("color", "size")),
    ),
    _section(
        "SHOE", "Clothing › Shoes", "walk",
        "waterproof cushioned lightweight breathable slipproof washable insulated",
        Kind("running shoe", 42, ("color", "shoe size")),
        Kind("hiking boot", 58, ("color", "shoe size")),
        Kind("rain boot", 31, ("shoe size", "pattern")),
        Kind("house slipper", 16, ("color", "shoe size")),
        Kind("tennis sneaker", 37, ("color", "shoe size", "style")),
    ),
    _section(
        "TOPS", "Clothing › Tops", "city",
        "stretchy thermal breathable waterproof washable tailored reversible",
        Kind("polo shirt", 17, ("color", "size")),
        Kind("rain jacket", 44, ("color", "size", "length")),
        Kind("knit sweater", 33, ("size", "fabric")),
        Kind("denim vest", 28, ("size", "style")),
        Kind("zip hoodie", 29, ("color", "size")),
    ),
    _section(
        "BAGS", "Travel › Bags", "trip",
        "waterproof lockable expandable padded foldable lightweight insulated",
        Kind("travel backpack", 39, ("color", "size")),
        Kind("tote bag", 16, ("color", "fabric")),
        Kind("gym bag", 27, ("color", "size")),
        Kind("laptop sleeve", 19, ("color", "style")),
        Kind("coin purse", 9, ("color", "pattern")),
    ),
    _section(
        "TOYS", "Kids › Toys", "playroom",
        "magnetic washable educational musical glowing collapsible unbreakable",
        Kind("puzzle cube", 9, ("size",)),
        Kind("toy train", 26, ("color", "length")),
        Kind("building block", 19, ("color", "pack")),
        Kind("teddy bear", 15, ("color", "size")),
        Kind("paper kite", 11, ("color", "pattern")),
    ),
    _section(
        "PETS", "Pets › Supplies", "yard",
        "reflective chewproof adjustable padded washable retractable odorless",
        Kind("dog leash", 13, ("color", "length")),
        Kind("cat bed", 28, ("color", "size")),
        Kind("bird feeder", 18, ("material", "color")),
        Kind("fish tank", 49, ("size",)),
        Kind("dog collar", 10, ("color", "size", "pattern")),
    ),
    _section(
        "SNAC", "Grocery › Snacks", "pantry",
        "organic vegan crunchy salted sugarless kosher chewy",
        Kind("granola bar", 8, ("flavor", "pack")),
        Kind("trail mix", 11, ("flavor", "pack")),
        Kind("potato chip", 7, ("heat", "pack")),
        Kind("rice cracker", 8, ("heat", "flavor")),
        Kind("fruit candy", 6, ("flavor",)),
    ),
    _section(
        "TEAS", "Grocery › Drinks", "afternoon",
        "organic decaffeinated roasted fairtrade unsweetened instant smoky",
        Kind("green tea", 9, ("flavor", "pack")),
        Kind("coffee bean", 14, ("pack",)),
        Kind("cocoa powder", 10, ("flavor", "pack")),
        Kind("oat drink", 7, ("flavor",)),
        Kind("herbal syrup", 12, ("flavor", "pack")),
    ),
    _section(
        "SKIN", "Beauty › Skin", "morning",
        "moisturizing soothing vegan unscented gentle nourishing greaseless",
        Kind("face cream", 16, ("scent", "size")),
        Kind("hand lotion", 9, ("scent", "pack")),
        Kind("lip balm", 6, ("flavor",)),
        Kind("body wash", 11, ("scent", "size")),
        Kind("bath salt", 12, ("scent", "pack")),
    ),
    _section(
        "CABL", "Electronics › Phones", "office",
        "braided fast magnetic shockproof slim waterproof durable",
        Kind("phone charger", 17, ("color", "length")),
        Kind("usb cable", 8, ("color", "length")),
        Kind("screen protector", 10, ("finish", "pack")),
        Kind("phone case", 14, ("color", "pattern")),
        Kind("power bank", 26, ("color",)),
    ),
    _section(
        "AUDI", "Electronics › Audio", "studio",
        "portable foldable wireless waterproof rechargeable compact adjustable",
        Kind("ear bud", 32, ("color",)),
        Kind("gaming headset", 45, ("color", "style")),
        Kind("bluetooth speaker", 36, ("color", "size")),
        Kind("record player", 74, ("color", "style")),
        Kind("voice recorder", 41),
    ),
    _section(
        "GARD", "Garden › Tools", "garden",
        "rustproof flexible lightweight expandable ergonomic stackable hardy",
        Kind("garden hose", 29, ("color", "length")),
        Kind("plant pot", 12, ("color", "size", "material")),
        Kind("watering can", 17, ("color", "size")),
        Kind("hand rake", 14, ("length",)),
        Kind("seed tray", 9),
    ),
    _section(
        "OFFI", "Office › Supplies", "desk",
        "refillable erasable recycled magnetic smearproof perforated stackable",
        Kind("gel pen", 7, ("color", "pack")),
        Kind("spiral notebook", 9, ("color", "size", "pattern")),
        Kind("drawer organizer", 21, ("color", "material")),
        Kind("paper clip", 6, ("color", "pack")),
        Kind("wall calendar", 13, ("size", "style")),
    ),
    _section(
        "SPRT", "Sports › Fitness", "gym",
        "adjustable nonslip insulated leakproof foldable washable lightweight",
        Kind("yoga mat", 23, ("color", "length")),
        Kind("jump rope", 9, ("color", "length")),
        Kind("water bottle", 15, ("color", "size")),
        Kind("resistance band", 12, ("color", "firmness")),
        Kind("foam roller", 19, ("color", "firmness")),
    ),
)  # fmt: skip
