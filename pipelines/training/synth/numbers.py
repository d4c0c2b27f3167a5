"""Telephone, account, identity and plate numbers in every notation met in records."""

import random
import string

from .lists import load, table
from .places import KANJI, ZEN, kanji_number

KANA_DIGIT = ["ゼロ", "いち", "に", "さん", "よん", "ご", "ろく", "なな", "はち", "きゅう"]


def digits(rng: random.Random, n: int, first: str = "0123456789") -> str:
    return rng.choice(first) + "".join(rng.choice("0123456789") for _ in range(n - 1)) if n else ""


def phone_parts(rng: random.Random, pref: str, mobile: bool) -> tuple[str, str, str]:
    if mobile:
        return rng.choice(["090", "080", "070", "090", "080"]), digits(rng, 4, "123456789"), digits(rng, 4)
    roll = rng.random()
    if roll < 0.05:
        return "0120", digits(rng, 3), digits(rng, 3)
    if roll < 0.09:
        return "050", digits(rng, 4, "13589"), digits(rng, 4)
    area = rng.choice(table("places", "areacode")[pref].split(","))
    return area, digits(rng, 6 - len(area), "2345678"), digits(rng, 4)


def phone(rng: random.Random, parts: tuple[str, str, str], style: str) -> tuple[str, str]:
    a, b, c = parts
    if style == "spoken":
        roll = rng.random()
        if roll < 0.35:
            return f"{a}の{b}の{c}", "spoken_no"
        if roll < 0.65:
            return "の".join("".join(KANJI[int(d)] for d in p) for p in parts), "spoken_kanji"
        if roll < 0.85:
            return "の".join("".join(KANA_DIGIT[int(d)] for d in p) for p in parts), "spoken_kana"
        return f"{a} {b} {c}", "space"
    roll = rng.random()
    if style == "full" and roll < 0.7:
        return "－".join(parts).translate(ZEN), "full_width"
    if roll < 0.5:
        return "-".join(parts), "hyphen"
    if roll < 0.62:
        return "".join(parts), "plain"
    if roll < 0.70:
        return rng.choice([f"({a}){b}-{c}", f"{a}({b}){c}", f"（{a}）{b}-{c}", f"{a}（{b}）{c}"]), "paren"
    if roll < 0.77:
        return "－".join(parts).translate(ZEN), "full_width"
    if roll < 0.82:
        return f"{a}.{b}.{c}", "dot"
    if roll < 0.87:
        return f"{a} {b} {c}", "space"
    if roll < 0.91:
        return rng.choice(["ー", "−", "‐", "―"]).join(parts), "odd_hyphen"
    if roll < 0.94:
        return rng.choice([f"+81-{a[1:]}-{b}-{c}", f"+81 {a[1:]} {b} {c}"]), "international"
    if roll < 0.97:
        return f"{a}の{b}の{c}", "spoken_no"
    if a in ("090", "080", "070", "0120", "050") or len(b) < 2:
        return f"{a}-{b}-{c}", "hyphen"
    return f"{b}-{c}", "local"


def email(rng: random.Random, latin: tuple[str, str] | None, corporate: bool) -> tuple[str, str]:
    tokens = ["sakura", "momo", "taka", "info", "soudan", "kazoku", "hana", "ume", "yuki", "sun", "pochi", "kota", "fukushi", "renraku", "mi-chan", "kibou", "office", "care", "rose"]
    if latin and rng.random() < 0.6:
        s, g = (w.lower().replace(" ", "").replace("'", "") for w in latin)
        s, g = s or "a", g or "b"
        local = rng.choice([f"{s}.{g}", f"{g}_{s}", f"{s}{rng.randint(1, 99)}", f"{g[:1]}.{s}", f"{s}-{g[:1]}", f"{g}{rng.randint(50, 99)}"])
        local = local.encode("ascii", "ignore").decode() or "mail"
    else:
        local = rng.choice(tokens) + rng.choice(["", "-", "_", "."]) + rng.choice([str(rng.randint(1, 2009)), rng.choice(tokens)])
    stem = rng.choice(tokens) + rng.choice(["", "-kai", "-net", "-hp", "care", "works", "soudan"])
    domain = rng.choice(["example.jp", "example.com", "example.co.jp", "example.or.jp", stem + ".or.jp", stem + ".co.jp", "city." + stem.replace(".", "") + ".lg.jp", stem + ".jp"]) if corporate else \
        rng.choice(["example.com", "example.ne.jp", "mail.example.jp", "docomo.example.jp", "ezmail.example.jp", "softbank.example.jp", "gmail.example.com", "i." + stem + ".jp", stem + ".com", "yahoo.example.jp"])
    text = f"{local}@{domain}"
    if rng.random() < 0.1:
        return text.replace("@", "＠"), "zenkaku_at"
    if rng.random() < 0.05:
        return "".join(chr(ord(c) + 0xFEE0) for c in text), "full_width"
    return text, "plain"


def postal(rng: random.Random, code: str, style: str) -> tuple[str, str]:
    roll = rng.random()
    if roll < 0.62:
        text, form = f"{code[:3]}-{code[3:]}", "hyphen"
    elif roll < 0.75:
        text, form = code, "plain"
    elif roll < 0.82:
        text, form = rng.choice(["－", "ー", "−", "‐"]).join((code[:3], code[3:])), "odd_hyphen"
    else:
        text, form = f"{code[:3]}-{code[3:]}".translate(ZEN), "full_width"
    return (text.translate(ZEN), "full_width") if style == "full" and form == "hyphen" else (text, form)


def identity(rng: random.Random, kind: str, pref: str, city: str, year: int) -> tuple[str, str]:
    """(surface, subtype)."""
    d = lambda n, first="0123456789": digits(rng, n, first)
    match kind:
        case "my":
            n = d(12, "123456789")
            return rng.choice([n, f"{n[:4]} {n[4:8]} {n[8:]}", f"{n[:4]}-{n[4:8]}-{n[8:]}", f"{n[:4]}　{n[4:8]}　{n[8:]}", n.translate(ZEN)]), "my_number"
        case "kaigo":
            n = rng.choice(["0", "00"]) + d(8)
            n = (n + d(10))[:10]
            return rng.choice([n, n, n.translate(ZEN), f"{n[:4]}-{n[4:]}", "第" + n + "号"]), "hihokensha"
        case "hoken":
            n = d(rng.choice([6, 8]))
            return rng.choice([n, n, d(8), n.translate(ZEN), d(6)]), "hokensha"
        case "kigo":
            return rng.choice([f"{d(4)}・{d(3)}", f"{d(8)}", f"{rng.choice('国京福北名')}{rng.choice('保民')}{d(2)}-{d(4)}", f"{d(5)}-{d(3)}"]), "hihokensha"
        case "jukyu":
            n = d(10) if rng.random() < 0.5 else d(7)
            return rng.choice([n, n, n.translate(ZEN), f"第{n}号"]), "jukyusha"
        case "techo":
            n = d(rng.randint(4, 7), "123456789")
            return rng.choice([f"第{n}号", f"{pref}第{n}号", f"第{n}号".translate(ZEN), n, f"{pref[0]}第{n}号", f"{city}第{n}号", f"{pref[:2]}療第{n}号"]), "techo"
        case "nenkin":
            a, b = d(4), d(6)
            return rng.choice([f"{a}-{b}", f"{a}-{b}", a + b, f"{a}－{b}".translate(ZEN), f"{a} {b}"]), "pension"
        case "koyo":  # employment insurance: 4-6-1
            a, b, c = d(4), d(6), d(1)
            return rng.choice([f"{a}-{b}-{c}", f"{a}-{b}-{c}", a + b + c]), "koyo"
        case "menkyo":
            n = d(12, "1234567")
            return rng.choice([n, f"第{n}号", n.translate(ZEN)]), "license"
        case "zairyu":
            L = string.ascii_uppercase.replace("I", "").replace("O", "")
            n = rng.choice(L) + rng.choice(L) + d(8) + rng.choice(L) + rng.choice(L)
            return rng.choice([n, n, f"{n[:2]} {n[2:10]} {n[10:]}", "".join(chr(ord(c) + 0xFEE0) for c in n)]), "zairyu"
        case "passport":
            return rng.choice("TMEGBPC") + rng.choice("RKHXJC") + d(7), "passport"
        case _:
            n = d(rng.randint(3, 5), "0123456789")
            if rng.random() < 0.25:  # of a court: 令和6年(家イ)第772号
                era = rng.choice([f"令和{max(year - 2018, 1)}年", f"令和{max(year - 2018, 1)}年", f"平成{rng.randint(20, 31)}年", f"R{max(year - 2018, 1)}", "令和元年"])
                kind = rng.choice(["家", "家", "家イ", "家ホ", "フ", "ハ", "ワ", "ノ", "少", "ヌ", "再イ", "ロ"])
                text = era + rng.choice([f"({kind})", f"（{kind}）", f"（{kind}）"]) + f"第{int(n) + 1}号"
                return (text.translate(ZEN) if rng.random() < 0.1 else text), "case_no"
            if rng.random() < 0.2:
                return rng.choice([f"{rng.choice(['AC', 'SB', 'KW', 'JID', 'CS'])}-{year % 100:02d}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}-{d(3)}", f"{city[:1]}{rng.choice(['児通', '福相', '虐', '生困', '障支'])}{rng.choice(['', 'R' + str(max(year - 2018, 1)) + '-', '第'])}{n}", f"{city[:1]}-{d(3)}"]), "case_no"
            return rng.choice([f"R{year - 2018}-{n}", f"{year}-{n}", f"第{n}号", f"C-{n}", f"{rng.choice(['福', '生', '障', '児', '相'])}{rng.choice(['', '第'])}{n}{rng.choice(['', '号'])}", f"R{year - 2018:02d}{n}",
                               f"{rng.choice('ABKSN')}{d(6)}", f"No.{n}"[3:]]), "case_no"


def split(rng: random.Random, text: str) -> str:
    """A number as it is read out or copied: in groups, with a word between them."""
    plain = "".join(c for c in text if c.isalnum())
    if len(plain) < 6 or not plain.isascii():
        return text
    size = rng.choice([3, 4, 4])
    parts = [plain[i:i + size] for i in range(0, len(plain), size)]
    if rng.random() < 0.3:
        parts = ["".join(KANJI[int(c)] if c.isdigit() else c for c in part) for part in parts]
    return rng.choice(["の", "の", " ", "　", "-", ". "]).join(parts)


TECHNICAL_WORDS = "channel user_id status error retry queue timeout session token thread inbox subject received content-type charset boundary mailbox greylist relay spf dkim host port path version build commit job batch".split()


def money(rng: random.Random, scale: str) -> str:
    """A sum of yen in one of the notations of records; `scale` small, rent or debt."""
    low, high = {"small": (1, 30), "rent": (20, 90), "debt": (300, 9000)}.get(scale) or rng.choice([(1, 30), (20, 90), (90, 400), (300, 9000)])
    n = rng.randint(low, high) * 1000 + rng.choice([0, 0, 0, 500, 100 * rng.randint(1, 9), rng.randint(1, 999)])
    man, rest = divmod(n, 10000)
    options = [f"{n:,}円"] * 4 + [f"{n}円", f"￥{n:,}", f"{n:,}円".translate(ZEN)]
    if man:
        options += [f"{man}万円", f"{man}万円", f"{man}万{rest // 1000}千円" if rest >= 1000 else f"{man}万円", f"{kanji_number(man)}万円", f"{man}万", f"{man}万{rest:,}円" if rest else f"{man}万円", f"{n / 10000:.1f}万円"]
    return rng.choice(options)


def clock(rng: random.Random, point: bool = False) -> str:
    """A time of day or, unless a `point` is wanted, a stretch of time."""
    h, m = rng.randint(7, 21), rng.choice([0, 0, 0, 15, 20, 30, 30, 45, rng.randint(1, 59)])
    half = "半" if m == 30 else f"{m}分" if m else ""
    plain = f"{h}:{m:02d}"
    if point:
        return rng.choice([plain, f"{h:02d}:{m:02d}", f"{h}時{half}", f"{h}：{m:02d}", f"{kanji_number(h)}時{half}"])
    return rng.choice([plain, plain, f"{h:02d}:{m:02d}", f"{h}時{half}", f"{h}時{half}", f"{h}：{m:02d}", f"午前{h}時{half}" if h < 12 else f"午後{h - 12 or 12}時{half}", f"{h}時頃", f"{h}時過ぎ", f"{plain}～{h + 1}:{rng.choice(['00', '15', '30'])}",
                       f"{plain}-{h + 1}:{rng.choice(['00', '30'])}", "夕方", "昼前", "早朝", "昼すぎ", "夜", f"{kanji_number(h)}時{half}"])


def technical(rng: random.Random) -> str:
    """Strings of systems that are nobody's: message and error numbers, versions, ports, tickets."""
    hexes = lambda n: "".join(rng.choice("0123456789abcdef") for _ in range(n))
    word = rng.choice(TECHNICAL_WORDS)
    return rng.choice([
        f"{rng.choice([421, 450, 452, 500, 550, 551, 552, 553, 554])} {rng.choice(['5.1.1', '5.7.1', '4.2.2', '5.2.2'])}", f"550 user unknown", "452 mailbox full", "554 no such host", "450 greylisted, try again",
        f"HTTP {rng.choice([200, 301, 400, 403, 404, 409, 500, 502, 503])}", f"E-{rng.randint(100, 9999)}", f"ERR{rng.randint(1000, 9999)}", f"0x{hexes(8)}", f"#{rng.randint(100, 99999)}",
        f"v{rng.randint(1, 9)}.{rng.randint(0, 20)}.{rng.randint(0, 9)}", f"port {rng.choice([25, 80, 443, 465, 587, 993])}", f"{word}={hexes(6)}", f"{word}: {rng.choice(['ok', 'null', 'true', 'failed', 'utf-8', '7bit', '0'])}",
        f"{hexes(8)}-{hexes(4)}-{hexes(4)}", f"REQ-{rng.randint(1000, 99999)}", f"TICKET#{rng.randint(10000, 99999)}", f"注文番号 {rng.randint(100, 999)}-{rng.randint(1000000, 9999999)}", f"{rng.randint(1, 900)}KB", f"{rng.randint(1, 60)}/{rng.randint(61, 90)}件",
        f"rev.{rng.randint(2, 40)}", f"p.{rng.randint(2, 300)}", f"SKU{rng.randint(1000, 99999)}", f"MAILER-DAEMON", f"{rng.randint(1, 254)}ms", f"bcc: {rng.randint(2, 60)}", "undisclosed-recipients", f"優先度 {rng.choice('ABC')}", f"{word}_{rng.randint(1, 9)}",
    ])


def plate(rng: random.Random, town: str) -> str:
    n = rng.choice([f"{rng.randint(10, 99)}-{rng.randint(10, 99)}", f"{rng.randint(10, 99)}-{rng.randint(10, 99)}", f"{rng.randint(1000, 9999)}", f"・{rng.randint(1, 9)}-{rng.randint(10, 99)}", f"・・{rng.randint(10, 99)}", f"・・・{rng.randint(1, 9)}", f"{rng.randint(1, 9)}-{rng.randint(10, 99)}"])
    return f"{town}{rng.choice(['', ' '])}{rng.choice(['330', '500', '480', '580', '583', '300', '40', '501'])}{rng.choice(['', ' '])}{rng.choice('あいうえかきくけさすせそたつてとなにぬのはひふほまみむめもやゆらりるろ')}{rng.choice(['', ' '])}{n}"


def handle(rng: random.Random, latin: tuple[str, str] | None) -> str:
    tokens = ["momo", "taka", "neko", "sora", "rui", "yuzu", "kotetsu", "mochi", "rin", "hana", "pon", "maru", "ryu", "milk", "riri", "chibi", "kuma", "sakuran"]
    head = rng.choice(tokens)
    if latin and latin[-1] and rng.random() < 0.45:
        head = latin[-1].lower().encode("ascii", "ignore").decode().replace(" ", "") or head
    return head + rng.choice(["_", ".", "-", ""]) + rng.choice([str(rng.randint(1, 2015)), rng.choice(tokens), rng.choice(tokens) + str(rng.randint(1, 99)), "x" * rng.randint(1, 3) + str(rng.randint(10, 99))])


def account(rng: random.Random, kind: str) -> str:
    if kind == "yucho":
        return "1" + digits(rng, 3) + "0"
    if kind == "yuchono":
        return digits(rng, rng.choice([7, 8]), "123456789")
    n = digits(rng, 7)
    return rng.choice([n, n, n, n.translate(ZEN), f"{n[:3]}-{n[3:]}" if rng.random() < 0.2 else n, digits(rng, 6)])
