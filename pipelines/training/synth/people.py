"""People: names with readings and frequencies, and the written forms a name takes in a record."""

import csv
import datetime as dt
import random
import re
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files

from .lists import load

VARIANTS = {
    "高": "髙", "崎": "﨑", "辺": "邊邉", "浜": "濵濱", "吉": "𠮷", "斎": "齋齊斉", "斉": "齊齋斎", "沢": "澤",
    "島": "嶋嶌", "桜": "櫻", "広": "廣", "富": "冨", "柳": "栁", "徳": "德", "恵": "惠", "真": "眞",
    "竜": "龍", "国": "國", "館": "舘", "桑": "桒", "薮": "藪", "槙": "槇", "峰": "峯", "関": "關",
    "滝": "瀧", "実": "實", "栄": "榮", "寿": "壽", "亀": "龜", "与": "與", "万": "萬", "福": "福",
}
HALF = dict(zip(
    "ァアィイゥウェエォオカガキギクグケゲコゴサザシジスズセゼソゾタダチヂッツヅテデトドナニヌネノハバパヒビピフブプヘベペ"
    "ホボポマミムメモャヤュユョヨラリルレロワヲンヴー・　",
    "ｧ ｱ ｨ ｲ ｩ ｳ ｪ ｴ ｫ ｵ ｶ ｶﾞ ｷ ｷﾞ ｸ ｸﾞ ｹ ｹﾞ ｺ ｺﾞ ｻ ｻﾞ ｼ ｼﾞ ｽ ｽﾞ ｾ ｾﾞ ｿ ｿﾞ ﾀ ﾀﾞ ﾁ ﾁﾞ ｯ ﾂ ﾂﾞ ﾃ ﾃﾞ ﾄ ﾄﾞ ﾅ ﾆ ﾇ ﾈ ﾉ ﾊ ﾊﾞ ﾊﾟ ﾋ ﾋﾞ ﾋﾟ ﾌ ﾌﾞ ﾌﾟ "
    "ﾍ ﾍﾞ ﾍﾟ ﾎ ﾎﾞ ﾎﾟ ﾏ ﾐ ﾑ ﾒ ﾓ ｬ ﾔ ｭ ﾕ ｮ ﾖ ﾗ ﾘ ﾙ ﾚ ﾛ ﾜ ｦ ﾝ ｳﾞ ｰ ･".split() + [" "]))
ROMAJI = dict(pair.split("=") for pair in (
    "あ=a い=i う=u え=e お=o か=ka き=ki く=ku け=ke こ=ko さ=sa し=shi す=su せ=se そ=so た=ta ち=chi つ=tsu て=te と=to "
    "な=na に=ni ぬ=nu ね=ne の=no は=ha ひ=hi ふ=fu へ=he ほ=ho ま=ma み=mi む=mu め=me も=mo や=ya ゆ=yu よ=yo ら=ra り=ri "
    "る=ru れ=re ろ=ro わ=wa を=o ん=n が=ga ぎ=gi ぐ=gu げ=ge ご=go ざ=za じ=ji ず=zu ぜ=ze ぞ=zo だ=da ぢ=ji づ=zu で=de "
    "ど=do ば=ba び=bi ぶ=bu べ=be ぼ=bo ぱ=pa ぴ=pi ぷ=pu ぺ=pe ぽ=po ゑ=e ゐ=i ゔ=vu ー= ぁ=a ぃ=i ぇ=e ぉ=o ぅ=u").split())
SMALL = {"ゃ": "a", "ゅ": "u", "ょ": "o"}
HONORIFIC = re.compile("(さん|さま|くん|ちゃん|氏|様|殿)$")
"""Names that end like an honorific teach nothing but doubt: はさま, さん, 一代氏."""
FOREIGN = dict(VN=20, NP=9, PH=12, BR=11, PE=4, MM=6, ID=6, LK=3, BD=3, UA=2, US=3, CN=22, TW=3, KR=14)


def katakana(text: str) -> str:
    return "".join(chr(ord(c) + 96) if "ぁ" <= c <= "ゖ" else c for c in text)


def hiragana(text: str) -> str:
    return "".join(chr(ord(c) - 96) if "ァ" <= c <= "ヶ" else c for c in text)


def half_width(text: str) -> str:
    return "".join(HALF.get(c, c) for c in katakana(text))


def romaji(kana: str) -> str:
    """Passport-style Latin spelling of hiragana (long vowels dropped)."""
    out, double = "", False
    for c in hiragana(kana):
        if c == "っ":
            double = True
            continue
        if c in SMALL:
            out = out[:-1] + ("" if out[-2:] in ("hi", "ji") or out[-1:] == "j" else "y") + SMALL[c]
            continue
        piece = ROMAJI.get(c, "")
        out += ("t" if piece[:2] == "ch" else piece[:1]) + piece if double else piece
        double = False
    return re.sub("ou|oo", "o", re.sub("uu", "u", out)).capitalize()


@lru_cache(None)
def _pairs(name: str, section: str) -> tuple[tuple[str, str], ...]:
    pairs = (item.split(":") for item in load(name)[section])
    return tuple((p[0], hiragana(p[-1])) for p in pairs)


@lru_cache(None)
def _package():
    """Surnames with bearers, and given names by sex, of japanese_personal_name_dataset (MIT)."""
    root = files("japanese_personal_name_dataset") / "dataset"
    def rows(name):
        with (root / name).open(encoding="utf-8") as handle:
            return list(csv.reader(handle))
    kept = [r for r in rows("last_name_org.csv") if not HONORIFIC.search(r[0] + " " + r[2])]
    surnames = [(r[0], r[2]) for r in kept]
    weights, total = [], 0.0
    for r in kept:
        total += int(r[1]) ** 0.85  # flattened a little: the tail should be seen
        weights.append(total)
    given = {}
    for sex, name in (("m", "man"), ("f", "woman")):
        given[sex] = [(r[0], [k for k in r[2:] if k and len(k) <= 3 and not HONORIFIC.search(k)]) for r in rows(f"first_name_{name}_opti.csv") if not HONORIFIC.search(r[0])]
    return surnames, weights, given


def surname(rng: random.Random, region: str | None = None) -> tuple[str, str]:
    """(written, reading). Common names often; regional, one-character, word-like and rare names in the tail."""
    roll = rng.random()
    if region == "okinawa" and roll < 0.6 or region and roll < 0.12:
        return rng.choice(_pairs("surnames", region))
    if roll < 0.26:
        return rng.choice(_pairs("surnames", "words"))
    if roll < 0.31:
        return rng.choice(_pairs("surnames", "rare"))
    surnames, weights, _ = _package()
    if roll < 0.55:
        return rng.choice(surnames)
    return rng.choices(surnames, cum_weights=weights)[0]


@lru_cache(None)
def _by_reading() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    surnames, givens = {}, {}
    for written, kana in _package()[0]:
        surnames.setdefault(kana, []).append(written)
    for rows in _package()[2].values():
        for kana, kanji in rows:
            givens.setdefault(kana, []).extend(kanji)
    return surnames, givens


def misheard(rng: random.Random, p: "Person") -> tuple[str, str]:
    """(surname, given name) as speech recognition writes them: same reading, other characters."""
    surnames, givens = _by_reading()
    return rng.choice(surnames.get(p.sur_kana, [p.sur])), rng.choice(givens.get(p.given_kana, [p.given]) or [p.given])


def cohort(birth_year: int) -> str:
    return "1" if birth_year < 1936 else "2" if birth_year < 1956 else "3" if birth_year < 1976 else "4" if birth_year < 1996 else "5"


def given_name(rng: random.Random, sex: str, birth_year: int) -> tuple[str, str]:
    if rng.random() < 0.55:
        written, kana = rng.choice(_pairs("given", sex + cohort(birth_year)))
    else:
        kana, kanji = rng.choice(_package()[2][sex])
        written = rng.choice(kanji) if kanji else kana
    if written != kana:
        roll = rng.random()
        if roll < (0.1 if sex == "f" else 0.05):
            written = katakana(kana) if birth_year < 1945 else kana
        elif roll < (0.19 if sex == "f" else 0.065):
            written = mixed(rng, sex, written, kana, birth_year)
    return written, kana


ENDINGS = {
    "f": ("こ:子 え:江 え:恵 え:枝 え:代 よ:代 よ:世 み:美 み:実 か:香 か:花 か:佳 の:乃 な:奈 な:菜 ね:音 は:羽 ほ:穂 き:紀 き:希 り:里 ゆ:由 お:緒 さ:沙 ら:良 ね:根 ほ:帆").split(),
    "m": ("お:男 お:夫 お:雄 き:樹 や:也 と:斗 と:人 た:太 ろう:郎 すけ:介 すけ:助 へい:平 じ:治 じ:二 ぞう:蔵 きち:吉 いち:一 ま:馬 ご:吾 や:哉").split(),
}


def mixed(rng: random.Random, sex: str, written: str, kana: str, birth_year: int) -> str:
    """A given name half in kana, half in kanji: ミヨ子, みつ江, はる香, 由り子, えい一."""
    options = [(kana[: -len(sound)], letter) for sound, letter in (e.split(":") for e in ENDINGS[sex]) if kana.endswith(sound) and len(kana) > len(sound) + (sex == "m")]
    if options:
        head, letter = rng.choice(options)
        old = birth_year < 1950 and rng.random() < 0.7
        return (katakana(head) if old or rng.random() < 0.05 else head) + letter
    if len(written) == 2 and len(kana) > 2 and kana[-1] not in "んつっー":
        return written[0] + kana[-1] if rng.random() < 0.5 else kana[:2] + written[1]
    return kana


def vary(rng: random.Random, written: str) -> str:
    """One character of a surname replaced by its registered variant."""
    spots = [i for i, c in enumerate(written) if c in VARIANTS]
    if not spots:
        return written
    i = rng.choice(spots)
    return written[:i] + rng.choice(VARIANTS[written[i]]) + written[i + 1:]


@dataclass
class Person:
    """One natural person. Readings are hiragana; `parts` holds a foreign name piece by piece (katakana, Latin)."""

    sex: str
    birth: dt.date
    sur: str = ""
    sur_kana: str = ""
    given: str = ""
    given_kana: str = ""
    nation: str = ""
    parts: list[tuple[str, str]] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    call: int = 0
    relation: str = ""
    title: str = ""
    suffix: str = ""
    honorific: str = ""
    mentions: int = 0
    facts: dict = field(default_factory=dict)

    @property
    def kanji_foreign(self) -> bool:
        return self.nation in ("CN", "TW", "KR")


def native(rng, sex, birth, region=None, family=None) -> Person:
    sur, kana = family or surname(rng, region)
    if family is None and rng.random() < 0.09:
        sur = vary(rng, sur)
    given, given_kana = given_name(rng, sex, birth.year)
    return Person(sex, birth, sur, kana, given, given_kana)


def foreign(rng, sex, birth, nation=None, family: "Person | None" = None) -> Person:
    nation = nation or rng.choices(list(FOREIGN), list(FOREIGN.values()))[0]
    names = load("foreign")
    p = Person(sex, birth, nation=nation)
    def pick(section):
        kana, latin = rng.choice(names[section]).split("=")
        return kana.replace("_", " "), latin.replace("_", " ")
    if nation in ("CN", "TW", "KR"):
        s = pick(nation + ".s") if family is None or nation == "KR" and rng.random() < 0.3 else None
        g = pick(f"{nation}.{sex}")
        if s:
            p.sur, on, native_kana = s[0].split("/")
        else:
            p.sur, on, native_kana, s = family.sur, family.facts["on"][0], family.facts["nat"][0], family.parts[0]
        p.given, g_on, g_native = g[0].split("/")
        p.facts.update(on=(on, g_on), nat=(native_kana, g_native))
        p.parts = [(native_kana, s[1]), (g_native, g[1])]
        p.sur_kana, p.given_kana = hiragana(native_kana), hiragana(g_native)
        p.order = [0, 1]
        return p
    if nation in ("MM", "ID"):
        kana, latin = pick(nation + ".all")
        pieces = list(zip(kana.split("・"), latin.split(" "))) if kana.count("・") == latin.count(" ") else [(kana, latin)]
        p.parts, p.order, p.call = pieces, list(range(len(pieces))), rng.choice([0, len(pieces) - 1])
    elif nation == "VN":
        fam = family.parts[0] if family else pick("VN.s")
        mid = [("ティ", "Thi")] if sex == "f" and rng.random() < 0.75 else [pick("VN.mid")]
        p.parts = [fam] + mid + [pick("VN." + sex)]
        p.order, p.call = [0, 1, 2], 2
    else:
        fam = family.parts[-1] if family else pick("BR.j" if nation == "BR" and rng.random() < 0.4 else nation + ".s")
        firsts = [pick(f"{nation}.{sex}")]
        if nation in ("BR", "PE", "PH") and rng.random() < 0.45:
            other = pick(f"{nation}.{sex}")
            firsts += [other] if other != firsts[0] else []
        if nation in ("BR", "PE", "PH") and rng.random() < 0.35:
            middle = pick(nation + ".s")
            firsts += [middle] if middle != fam else []
        if nation == "NP" and rng.random() < 0.2:
            firsts += [("クマリ", "Kumari") if sex == "f" else ("バハドゥル", "Bahadur")]
        p.parts = firsts + [fam]
        last = len(p.parts) - 1
        p.order = [last] + list(range(last)) if rng.random() < 0.45 else list(range(last + 1))
        p.call = 0
    p.order = p.order or list(range(len(p.parts)))
    return p


def nick(rng, p: Person) -> tuple[str, bool]:
    """A pet name and whether its suffix is fused (then no honorific follows)."""
    kana = p.given_kana or hiragana(p.parts[p.call][0])
    mora = re.findall(r".[ゃゅょぁぃぅぇぉー]?", kana)
    a, b = mora[0], mora[1] if len(mora) > 1 else ""
    if a + b in ("さん", "くん", "ちゃん"):
        return a + "ー" + rng.choice(["ちゃん", "くん"]), True
    chan = rng.choice(["ちゃん"] * 3 + ["くん", "りん", "ぽん"]) if p.sex == "f" else rng.choice(["ちゃん", "くん", "くん", "坊"])
    roll = rng.random()
    if "ん" in (a, b) and roll < 0.5 or not b:
        return a + (b or "") + ("ー" if not b else "") + (chan if b or a not in "とかばじにねおぱま" else "くん"), True
    if roll < 0.3 and b[0] not in "っーんあいうえお":
        return a + "っ" + rng.choice(["ちゃん", "くん", "ち", "ぴ"]), True
    if roll < 0.6:  # とーちゃん, かーちゃん, ばーちゃん … would be no names
        return a + "ー" + rng.choice(["くん", "たん"] if a in "とかばじにねおぱま" else ["ちゃん", "くん", "たん"]), True
    if roll < 0.75:
        if p.sex == "m" or a not in "ゆりなもるのさ":
            return katakana(a + b), True
        return a + a, False
    if roll < 0.85:
        return a + b + rng.choice(["っち", "っぺ", "ぴょん", "たん", "やん"]), True
    if a + b in ("こう", "そう", "ここ", "もう", "どう", "もも", "いま", "あの", "その", "この", "まだ", "なに", "だれ", "うち", "はは", "ちち"):
        return a + b + "ちん", True
    return a + b, False


def render(rng, p: Person, form: str, gap: str = "") -> tuple[str, str, bool]:
    """(surface, form actually used, takes an honorific)."""
    if p.parts and not p.kanji_foreign:
        return _foreign_form(rng, p, form)
    if p.kanji_foreign:
        if form in ("kana_full", "kata_full", "hw_kana"):
            reading = p.facts[rng.choice(["on", "nat"])]
            text = rng.choice([" ", "　", "・", ""]).join(reading)
            return (half_width(text), "hw_kana", True) if form == "hw_kana" else (text, "foreign_kata", True)
        if form == "latin":
            return _latin(rng, [p.parts[0][1], p.parts[1][1]]), "foreign_latin", True
        if form in ("kana_sur", "kata_sur"):
            return p.facts[rng.choice(["on", "nat"])][0], "kata_sur", True
        if form in ("kana_given", "kata_given", "nick"):
            return p.facts["nat"][1], "foreign_kata", True
        if form in ("hw_sur", "hw_given"):
            return half_width(p.facts["nat"][form == "hw_given"]), "hw_kana", True
    one = lambda text, name: (text, "one_char" if len(text) == 1 else name, True)
    kana_full = lambda sep: p.sur_kana + sep + p.given_kana
    match form:
        case "full":
            if p.nation:
                return p.sur + gap + p.given, "foreign_kanji", True
            if p.sur != "" and rng.random() < 0.03:
                return p.sur + (gap or "") + p.given_kana, "mixed_full", True
            return p.sur + gap + p.given, "full_gap" if gap else "full", True
        case "sur":
            return one(p.sur, "surname")
        case "given":
            if re.fullmatch("[ぁ-ゖー]+", p.given):
                return one(p.given, "hira_given")
            if re.fullmatch("[ァ-ヺー]+", p.given):
                return one(p.given, "kata_given")
            return one(p.given, "given")
        case "kana_full":
            return kana_full(rng.choice(["", " ", "　"])), "kana_full", True
        case "kata_full":
            return katakana(kana_full(rng.choice(["", " ", "　", "・"]))), "kata_full", True
        case "hw_kana":
            return half_width(kana_full(rng.choice(["", " ", " "]))), "hw_kana", True
        case "hw_sur":
            return half_width(p.sur_kana), "hw_kana", True
        case "hw_given":
            return half_width(p.given_kana), "hw_kana", True
        case "kana_sur":
            return p.sur_kana, "kana_sur", True
        case "kata_sur":
            return katakana(p.sur_kana), "kata_sur", True
        case "kana_given":
            return p.given_kana, "hira_given", True
        case "kata_given":
            return katakana(p.given_kana), "kata_given", True
        case "latin":
            return _latin(rng, [romaji(p.sur_kana), romaji(p.given_kana)]), "latin", True
        case "nick":
            text, fused = nick(rng, p)
            return text, "nick", not fused
    raise ValueError(form)


def _latin(rng, words: list[str]) -> str:
    roll = rng.random()
    if roll < 0.45:
        return " ".join(words).upper()
    if roll < 0.6:
        return words[0].upper() + rng.choice([", ", " "]) + " ".join(words[1:])
    if roll < 0.8:
        return " ".join(words)
    return " ".join(words[1:] + words[:1])


def _foreign_form(rng, p: Person, form: str) -> tuple[str, str, bool]:
    ordered = [p.parts[i] for i in p.order]
    if form == "latin":
        return _latin(rng, [latin.replace("-", " ") for _, latin in ordered]), "foreign_latin", True
    if form in ("full", "kata_full", "kana_full", "hw_kana"):
        sep = p.facts.setdefault("sep", rng.choice(["・", "・", "・", " ", "　", ""]))
        kana = [k for k, _ in ordered]
        if len(kana) > 2 and rng.random() < 0.25 and p.nation not in ("VN",):
            kana = [kana[0], kana[-1]]
        text = sep.join(kana)
        if form == "hw_kana":
            return half_width(text), "hw_kana", True
        if form == "kana_full" and rng.random() < 0.5:
            return hiragana(text), "foreign_hira", True
        return text, "foreign_kata", True
    if form in ("hw_sur", "hw_given"):
        return half_width(ordered[0 if form == "hw_sur" else -1][0]), "hw_kana", True
    if form in ("kana_given",):
        return hiragana(p.parts[p.call][0]), "foreign_hira", True
    if form == "nick" and rng.random() < 0.4:
        text, fused = nick(rng, p)
        return text, "nick", not fused
    if form == "sur" and len(ordered) > 1 and rng.random() < 0.4 and p.nation != "MM":
        family = p.parts[0] if p.nation == "VN" else p.parts[-1]
        return family[0], "foreign_one", True
    return p.parts[p.call][0], "foreign_one", True
