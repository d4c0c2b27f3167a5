"""One synthetic document: its cast (a household, staff, neighbours), its style, and the slots skeletons fill."""

import datetime as dt
import random
import re
from dataclasses import dataclass
from functools import lru_cache

from . import dates, facilities, grammar, numbers, people, places
from .lists import load, table

# suffix as spoken, long title, kind of the person's place of work
STAFF = [
    ("CW", "ケースワーカー", "pub"), ("CW", "地区担当員", "pub"), ("ワーカー", "ケースワーカー", "pub"), ("PSW", "精神保健福祉士", "hosp"), ("MSW", "医療ソーシャルワーカー", "hosp"),
    ("SW", "ソーシャルワーカー", "hosp"), ("相談員", "相談支援員", "npo"), ("相談員", "生活相談員", "care"), ("CM", "介護支援専門員", "kyotaku"), ("ケアマネ", "ケアマネジャー", "kyotaku"),
    ("ケアマネジャー", "主任ケアマネジャー", "kyotaku"), ("Dr", "主治医", "hosp"), ("Dr.", "医師", "clinic"), ("医師", "主治医", "clinic"), ("先生", "主治医", "clinic"), ("先生", "院長", "clinic"),
    ("Ns", "看護師", "visit"), ("看護師", "訪問看護師", "visit"), ("師長", "看護師長", "hosp"), ("保健師", "保健師", "pub"), ("PHN", "保健師", "pub"), ("OT", "作業療法士", "hosp"), ("PT", "理学療法士", "hosp"),
    ("ST", "言語聴覚士", "hosp"), ("ヘルパー", "訪問介護員", "visit"), ("サ責", "サービス提供責任者", "visit"), ("支援員", "生活支援員", "btype"), ("支援員", "就労支援員", "btype"), ("サビ管", "サービス管理責任者", "btype"),
    ("児発管", "児童発達支援管理責任者", "btype"), ("施設長", "施設長", "home"), ("世話人", "世話人", "gh"), ("管理者", "管理者", "care"), ("先生", "担任", "elem"), ("先生", "学級担任", "junior"), ("教諭", "養護教諭", "junior"),
    ("教頭", "教頭", "elem"), ("校長", "校長", "elem"), ("SSW", "スクールソーシャルワーカー", "pub"), ("SC", "スクールカウンセラー", "junior"), ("先生", "担任保育士", "nursery"), ("園長", "園長", "nursery"), ("保育士", "保育士", "nursery"),
    ("民生委員", "民生委員", "none"), ("民生委員", "民生委員児童委員", "none"), ("主任児童委員", "主任児童委員", "none"), ("弁護士", "成年後見人", "office"), ("司法書士", "保佐人", "office"), ("弁護士", "弁護士", "office"), ("行政書士", "行政書士", "office"), ("後見人", "成年後見人", "none"),
    ("係長", "相談支援係長", "pub"), ("主任", "主任相談員", "npo"), ("課長", "福祉課長", "pub"), ("主査", "主査", "pub"), ("主事", "主事", "pub"), ("児童福祉司", "児童福祉司", "pub"), ("心理司", "児童心理司", "pub"),
    ("薬剤師", "薬剤師", "pharm"), ("巡査部長", "生活安全課", "pub"), ("職員", "当直職員", "shelter"), ("さん", "事務員", "work"), ("さん", "担当", "care"), ("店長", "店長", "shop"), ("社長", "代表", "work"), ("管理人", "管理人", "none"),
    ("自治会長", "自治会長", "none"), ("コーディネーター", "生活支援コーディネーター", "npo"), ("指導員", "指導員", "nursery"), ("調査員", "認定調査員", "pub"), ("歯科医師", "歯科医師", "clinic"), ("社労士", "社会保険労務士", "office"), ("住職", "住職", "temple"),
]
# relation: sex, years younger (+) or older (-) than the client, chance of the same surname
KIN = {
    "長男": ("m", (20, 32), .95), "次男": ("m", (22, 36), .95), "三男": ("m", (26, 38), .95), "長女": ("f", (20, 34), .55), "次女": ("f", (22, 36), .55), "三女": ("f", (24, 38), .55),
    "妻": ("f", (-4, 12), 1.0), "夫": ("m", (-12, 4), 1.0), "父": ("m", (-36, -22), .97), "母": ("f", (-36, -20), .9), "兄": ("m", (-12, -1), .95), "姉": ("f", (-12, -1), .6),
    "弟": ("m", (1, 12), .95), "妹": ("f", (1, 12), .6), "祖父": ("m", (-68, -46), .6), "祖母": ("f", (-66, -44), .55), "叔父": ("m", (-34, -16), .5), "叔母": ("f", (-34, -16), .4), "伯母": ("f", (-40, -20), .4),
    "姪": ("f", (18, 40), .35), "甥": ("m", (18, 40), .5), "孫": ("m", (42, 64), .7), "孫娘": ("f", (42, 64), .6), "長男の妻": ("f", (20, 34), 1.0), "嫁": ("f", (22, 36), 1.0), "義妹": ("f", (-2, 12), .5),
    "元夫": ("m", (-10, 5), .4), "元妻": ("f", (-4, 10), .4), "内縁の夫": ("m", (-14, 6), 0.0), "内縁の妻": ("f", (-6, 14), 0.0), "継父": ("m", (-34, -14), .7), "義父": ("m", (-38, -20), .5), "義母": ("f", (-38, -20), .5),
    "いとこ": ("m", (-9, 9), .4), "交際相手": ("m", (-10, 8), 0.0), "養女": ("f", (20, 34), .9), "異母妹": ("f", (2, 14), .7), "双子の弟": ("m", (0, 0), 1.0), "実弟": ("m", (1, 12), .95), "実姉": ("f", (-12, -1), .5),
}
SCENE_KIN = {
    "elder": "長男 次男 長女 次女 三女 妻 夫 妹 弟 姪 甥 孫 孫娘 長男の妻 嫁 義妹 実弟 内縁の妻 三男 養女".split(),
    "adult": "母 父 妻 夫 長男 長女 次男 次女 姉 弟 妹 兄 祖母 叔父 元夫 元妻 内縁の夫 交際相手 叔母 いとこ 義母 実姉".split(),
    "child": "母 父 兄 姉 弟 妹 祖母 祖父 叔母 継父 義父 母 父 双子の弟 異母妹 伯母".split(),
    "foreign": "妻 夫 長男 長女 次男 次女 姉 弟 妹 兄 母 いとこ".split(),
}
GENERIC = {"kid": ("長男", "長女", "次男", "次女", "三女"), "kid2": ("次男", "次女", "三男"), "spouse": ("妻", "夫"), "mother": ("母",), "father": ("父",), "sib": ("兄", "姉", "弟", "妹"),
           "grand": ("祖母", "祖父"), "ex": ("元夫", "元妻"), "gkid": ("孫", "孫娘")}
FACILITY_KINDS = {"elem", "junior", "high", "support", "univ", "nursery", "hosp", "clinic", "pharm", "work", "shop", "npo", "dorm", "temple", "boat", "office", "club", "care", "home", "gh", "kyotaku", "visit", "btype", "shelter"}
FORMS = {"full", "sur", "given", "kana_full", "kata_full", "hw_kana", "hw_sur", "hw_given", "kana_sur", "kata_sur", "kana_given", "kata_given", "latin", "nick"}


@dataclass
class Piece:
    text: str
    label: str = ""
    form: str = ""
    trap: bool = False  # a hard negative: must stay unlabelled


class Document:
    def __init__(self, rng: random.Random, genre: str, settings: dict[str, str]):
        self.rng, self.genre, self.settings = rng, genre, settings
        scenes = dict(pair.split("=") for pair in settings.get("scenes", "elder=4 adult=4 child=2 foreign=2").split())
        self.scene = rng.choices(list(scenes), [float(v) for v in scenes.values()])[0]
        self.mode = settings.get("mode", "record")
        self.digits = "spoken" if self.mode == "spoken" else rng.choices(["half", "full"], [5, 1])[0]
        self.gap = rng.choice(["", "", "", "　", " "])
        self.hon = "" if self.mode == "short" and rng.random() < 0.6 else rng.choices(["さん", "氏", "様", "さま", ""], [70, 9, 8, 2, 11])[0]
        if self.mode == "formal":
            self.hon = rng.choice(["様", "様", "さん", "氏", "殿"])
        self.sep = rng.choice([",", ",", "\t", "|", " | ", "，", "、", ";"])
        self.pieces: list[Piece] = []
        self.named: tuple[int, str, str] | None = None  # the piece of the last name, whose it is and its form
        self.roles: dict[str, people.Person] = {}
        self.memory: dict[str, object] = {}
        self.today = dt.date(2026, 3, 31) - dt.timedelta(days=rng.randint(0, 2200))
        self.pref = places.prefecture(rng)
        self.city = places.pick_city(rng, self.pref)
        self.region = places.region_of(self.pref)
        self.home = self._address(self._town())
        self.family: tuple[str, str] | None = None

    # ---- output -----------------------------------------------------------------------------------------------
    def text(self, text: str) -> None:
        if text:
            self.pieces.append(Piece(text))

    def close(self) -> None:
        """End a sentence that does not end by itself, before the next one follows on the same line."""
        if self.pieces and self.pieces[-1].text[-1:] not in "。．！？」』）)\n　 ：:、・":
            self.text("。" if self.rng.random() < 0.8 else "　")

    def emit(self, text: str, label: str, form: str) -> None:
        if not text.strip():
            raise grammar.SkeletonError(f"an empty {label} ({form})")
        if label == "ADDRESS" and (before := self._before(label)) is not None:
            # One place is one span as long as only blanks part its pieces.
            gap = "".join(piece.text for piece in self.pieces[before + 1 :])
            del self.pieces[before + 1 :]
            self.pieces[before].text += gap + text
            return
        self.pieces.append(Piece(text, label, form))

    def _before(self, label: str) -> int | None:
        """The last piece of this label, when nothing or plain blanks follow it."""
        for number in range(len(self.pieces) - 1, -1, -1):
            piece = self.pieces[number]
            if piece.label:
                return number if piece.label == label else None
            if piece.trap or piece.text.strip(" 　"):
                return None
        return None

    def trap(self, text: str) -> None:
        if text[:1].isdigit() and self.pieces and self.pieces[-1].trap and self.pieces[-1].text[-1:].isdigit():
            self.text(self.rng.choice([" ", " ", "　"]))  # 1/13 17:45
        self.pieces.append(Piece(text, trap=True))

    # ---- places -----------------------------------------------------------------------------------------------
    def _town(self) -> places.Town:
        return places.pick_town(self.rng, self.pref, self.city if self.rng.random() < 0.7 else None)

    def _far_town(self) -> places.Town:
        return places.pick_town(self.rng, places.prefecture(self.rng))

    def _address(self, town: places.Town) -> places.Address:
        return places.make_address(self.rng, town)

    def address(self, a: places.Address, form: str) -> None:
        rng = self.rng
        if form == "mix":
            form = rng.choices(["full", "nopref", "town_no", "chome", "citytown", "city", "town", "building", "kana_town", "bare"], [22, 18, 14, 10, 10, 9, 10, 5, 1, 2])[0]
        surface, used = places.render_address(rng, a, form, self.digits)
        if self.mode == "spoken" and rng.random() < 0.04:
            surface, used = places.render_address(rng, a, "kana_town", self.digits)
        if len(surface) < 2:
            surface, used = places.render_address(rng, a, "citytown", self.digits)
        self.emit(surface, "ADDRESS", used)

    # ---- people -----------------------------------------------------------------------------------------------
    def born(self, low: int, high: int) -> dt.date:
        return self.today - dt.timedelta(days=self.rng.randint(low * 365, high * 365 + 300))

    def age(self, p: people.Person) -> int:
        b, t = p.birth, self.today
        return max(0, t.year - b.year - ((t.month, t.day) < (b.month, b.day)))

    def person(self, role: str) -> people.Person:
        if role not in self.roles:
            self.roles[role] = self._make(role)
        return self.roles[role]

    def _native_or_foreign(self, sex, birth, family=None, foreign=False) -> people.Person:
        if foreign:
            return people.foreign(self.rng, sex, birth)
        return people.native(self.rng, sex, birth, self.region, family)

    def _make(self, role: str) -> people.Person:
        rng = self.rng
        sex = self.memory.get("sex." + role) or rng.choice("mf")
        if role == "c":
            low, high = {"elder": (66, 96), "adult": (20, 64), "child": (2, 17), "foreign": (19, 62)}[self.scene]
            p = self._native_or_foreign(sex, self.born(low, high), foreign=self.scene == "foreign")
            if p.nation in ("KR", "CN") and rng.random() < 0.25:
                p.facts["alias"] = rng.choice(people._pairs("foreign", "tsumei"))
            return p
        base = re.sub(r"\d$", "", role)
        if base in ("m", "k") or role in GENERIC:
            return self._kin(role)
        if base in ("s", "h", "q", "d") or role in ("w", "t"):
            return self._staff(role)
        # neighbours, friends, landlords, strangers: r (rows) and x are made afresh on {new:..}
        low, high = {"r": (1, 96), "p": (3, 17), "lord": (45, 85), "boss": (35, 70), "f": (15, 75)}.get(base, (30, 88))
        foreign = rng.random() < (0.5 if self.scene == "foreign" else 0.06) and base in ("r", "f", "x", "p")
        p = self._native_or_foreign(sex, self.born(low, high), foreign=foreign)
        p.facts["address"] = self._address(self._town())
        return p

    def _kin(self, role: str) -> people.Person:
        rng, c = self.rng, self.person("c")
        taken = self.memory.setdefault("relations", set())
        options = [r for r in GENERIC.get(role, SCENE_KIN[self.scene]) if r not in taken] or ["いとこ"]
        if role in GENERIC and self.scene == "child" and role in ("kid", "kid2", "spouse", "ex", "gkid"):
            options = [r for r in ("妹", "弟", "兄", "姉") if r not in taken] or ["いとこ"]
        if c.sex == "m":
            options = [r for r in options if r not in ("夫", "元夫", "内縁の夫", "交際相手")] or ["姉"]
        else:
            options = [r for r in options if r not in ("妻", "元妻", "内縁の妻")] or ["姉"]
        relation = self.memory.get("fixed." + role) or rng.choice(options)
        if relation not in KIN:
            raise grammar.SkeletonError(f"no relation {relation}")
        taken.add(relation)
        sex, (low, high), same = KIN[relation]
        offset = rng.randint(low, high)
        limit = self.today - dt.timedelta(days=300)
        birth = min(c.birth + dt.timedelta(days=offset * 365 + rng.randint(0, 300)), limit)
        birth = max(birth, dt.date(self.today.year - 103, 3, 1))
        if relation in ("妻", "夫", "内縁の妻", "内縁の夫", "元妻", "元夫", "長男の妻", "嫁"):
            birth = min(birth, self.today - dt.timedelta(days=19 * 365))
        used = {q.given or q.parts[q.call] for q in self.roles.values()}
        for _ in range(5):
            if c.nation:
                together = c if rng.random() < 0.6 and c.nation not in ("MM", "ID") else None
                p = people.foreign(rng, sex, birth, c.nation, together) if rng.random() < 0.85 else people.native(rng, sex, birth, self.region)
            else:
                p = people.native(rng, sex, birth, self.region, (c.sur, c.sur_kana) if rng.random() < same else None)
                if relation in ("妻", "夫", "内縁の妻", "長男の妻", "元妻") and rng.random() < 0.04:
                    p = people.foreign(rng, sex, birth)
            if (p.given or p.parts[p.call]) not in used:
                break  # two people of a household are not given one name
        p.relation = relation
        if rng.random() < 0.35 or relation.startswith("元"):
            p.facts["address"] = self._address(self._far_town() if rng.random() < 0.5 else self._town())
        return p

    def _staff(self, role: str) -> people.Person:
        rng = self.rng
        pool = STAFF
        if role[0] == "d":
            pool = [s for s in STAFF if s[0] in ("Dr", "Dr.", "医師", "先生") and s[2] in ("hosp", "clinic")]
        elif role[0] == "h":
            pool = [s for s in STAFF if s[2] in ("hosp", "clinic") and s[0] not in ("Dr", "Dr.", "医師", "先生")]
        elif role[0] == "q":
            pool = [s for s in STAFF if s[2] in ("care", "home", "kyotaku", "visit", "gh", "btype")]
        elif role == "t":
            pool = [s for s in STAFF if s[2] in ("elem", "junior", "nursery")]
        elif role == "w":
            pool = [s for s in STAFF if s[0] in ("CW", "相談員", "保健師", "主任", "係長", "主事", "支援員", "SW")]
        if fixed := self.memory.get("fixed." + role):
            pool = [s for s in STAFF if fixed in s[:2]]
            if not pool:
                raise grammar.SkeletonError(f"no profession {fixed}")
        p = people.native(rng, rng.choice("mf"), self.born(23, 63), self.region)
        if rng.random() < 0.025:
            p = people.foreign(rng, p.sex, p.birth)
        p.suffix, p.title, p.facts["org"] = rng.choice(pool)
        return p

    def _call_honorific(self, p: people.Person) -> str:
        rng = self.rng
        if self.age(p) < 15 and not p.suffix:
            return rng.choice(["ちゃん", "ちゃん", "さん", ""] if p.sex == "f" else ["くん", "君", "ちゃん", "くん", "さん", ""])
        return rng.choice(["さん", "さん", "", "ちゃん" if self.age(p) < 40 else "さん"])

    def mention(self, role: str, form: str = "", honor: str = "auto") -> None:
        """Write a person. honor: 'auto' by role and style, 'yes', 'no'."""
        rng, p = self.rng, self.person(role)
        auto = not form
        if auto:
            form = self._form_for(role, p)
            if honor == "no" and form == "nick":
                form = "given"  # the skeleton writes its own honorific
        if form == "call":
            form = rng.choice(["given", "kana_given", "given", "nick", "nick", "kata_given"])
            honor = "call" if honor == "auto" else honor
        surface, used, takes = people.render(rng, p, form, self.gap)
        if self.mode == "spoken" and not p.parts and used in ("full", "full_gap", "surname", "given") and rng.random() < 0.12:
            sur, given = people.misheard(rng, p)
            surface = {"surname": sur, "given": given}.get(used, sur + given)
            used = "misheard" if len(surface) > 1 else "one_char"
        if used.startswith("full") and rng.random() < (0.05 if self.mode == "form" else 0.012) and len(surface) < 7:
            space = rng.choice(" 　")  # 山 田　花 子, as printed forms set names apart
            surface, used = (space * 2 if rng.random() < 0.5 else space).join(space.join(x) for x in (p.sur, p.given)), "full_spaced"
        if p.facts.get("alias") and form == "sur" and rng.random() < 0.5:
            surface, used = p.facts["alias"][0], "alias"
        before = self._before("PERSON")
        follows = before is not None and self.named is not None and self.named[:2] == (before, role) and self.named[2].endswith("sur")
        if follows and form.endswith("given") and self.pieces[before].text != surface:
            # Surname and given name of one person, written by two slots, are one span.
            gap = "".join(piece.text for piece in self.pieces[before + 1 :])
            del self.pieces[before + 1 :]
            self.pieces[before].text += gap + surface
            self.pieces[before].form = "full_gap" if gap else "full"
        else:
            self.emit(surface, "PERSON", used)
        self.named = (len(self.pieces) - 1, role, form)
        p.mentions += 1
        if honor == "no" or not takes or used == "latin" or used == "hw_kana":
            return
        if p.suffix and honor in ("auto", "yes") and form != "nick":
            gap = " " if p.suffix[0].isascii() and rng.random() < 0.06 else ""
            if not (auto and rng.random() < 0.13):
                self.text(gap + (p.suffix if rng.random() < 0.88 else rng.choice(["さん", "氏", p.title if p.title not in ("担当", "生活安全課", "代表") else "様"])))
            return
        if honor == "call" or used in ("given", "hira_given", "kata_given", "nick"):
            young = self.age(p) < 16
            if honor == "yes" or honor == "call" or young and rng.random() < 0.7 or rng.random() < 0.5 and self.hon:
                self.text(self._call_honorific(p) if young or honor == "call" else rng.choice(["さん", "さん", self.hon]))
            return
        if honor == "yes":
            self.text(self.hon or rng.choice(["さん", "様", "氏"]))
        elif self.hon and rng.random() < 0.88:
            child = self.age(p) < 14
            self.text(self._call_honorific(p) if child else self.hon)

    def _form_for(self, role: str, p: people.Person) -> str:
        rng = self.rng
        roll = rng.random()
        table_ = None
        if p.suffix:  # staff
            table_ = [("sur", 82), ("full", 12), ("kana_sur", 2.5), ("kata_sur", 1.5), ("given", 2)]
        elif p.relation:
            same = p.sur == self.person("c").sur
            table_ = [("given", 50), ("kana_given", 9), ("kata_given", 4), ("full", 18 if p.mentions == 0 else 8), ("nick", 4), ("sur", 0 if same else 8), ("kana_full", 2)]
            if self.mode == "chat":
                table_ = [("given", 40), ("kana_given", 20), ("nick", 16), ("kata_given", 6), ("sur", 0 if same else 8)]
        elif self.age(p) < 16:
            table_ = [("given", 42), ("kana_given", 15), ("full", 16 if p.mentions == 0 else 6), ("nick", 5), ("sur", 6), ("kata_given", 3)]
        elif p.mentions == 0:
            table_ = [("full", 46), ("sur", 40), ("kana_full", 4), ("kata_full", 2), ("given", 4), ("latin", 0.6), ("kana_sur", 1.5)]
        else:
            table_ = [("sur", 66), ("full", 11), ("given", 11), ("kana_given", 3), ("kana_sur", 2.5), ("kata_sur", 1.5), ("nick", 2), ("kata_given", 1)]
        if self.mode == "spoken":
            table_ = [(f, w * (2 if f.startswith("kana") else 1)) for f, w in table_]
        names, weights = zip(*table_)
        return rng.choices(names, weights)[0]

    # ---- facilities -------------------------------------------------------------------------------------------
    def facility(self, key: str, form: str = "") -> None:
        rng = self.rng
        kind = re.sub(r"\d$", "", key)
        if kind == "fac":
            kind = rng.choice(sorted(FACILITY_KINDS - {"boat"}))
        memo = self.memory.get("fac." + key)
        if memo is None:
            town = self.home.town if rng.random() < 0.5 else self._town()
            full, shorts = facilities.name(rng, kind, town)
            memo = self.memory["fac." + key] = [full, shorts, 0]
        full, shorts, count = memo
        memo[2] += 1
        short = form == "short" or form != "full" and rng.random() < (0.5 if count else 0.16)
        if form in ("hw", "kata"):
            text = facilities.kana_name(rng, kind, self.home.town)
            self.emit(people.half_width(text) if form == "hw" else text, "FACILITY", kind)
            return
        if short:
            text = rng.choice(shorts).strip()
            form = kind + ("_short" if text != full else "")
        else:
            text, form = full.strip(), kind
        if self.digits == "full" and rng.random() < 0.1:
            text = "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in text)
        if rng.random() < 0.012:
            text, form = people.half_width(text) if re.fullmatch(r"[ァ-ヶー・]+", text) else text, kind
        self.emit(text, "FACILITY", form)

    def organisation(self, p: people.Person) -> None:
        kind = p.facts.get("org", "none")
        if kind in ("pub", "none"):
            self.public()
        else:
            key = p.facts.setdefault("key", kind + ("" if self.rng.random() < 0.6 else "9"))  # a colleague's place or another
            self.facility(key)

    def public(self) -> None:
        """A public body, often with a place name: never labelled."""
        rng, w = self.rng, load("plain")
        muni, ward = places.city_words(self.city if rng.random() < 0.75 else self._far_town().city)
        bare = muni[:-1] if len(muni) > 2 else muni
        pref = self.pref if rng.random() < 0.8 else places.prefecture(rng)
        roll = rng.random()
        if roll < 0.36:
            body = rng.choice(w["pubcity"])
            self.trap(rng.choice([muni, ward or muni]) + ("役場" + body.removeprefix("役所") if body.startswith("役所") and muni[-1] in "町村" else body))
        elif roll < 0.52:
            self.trap(pref + rng.choice(w["pubpref"]))
        elif roll < 0.68:
            self.trap(rng.choice([bare, self.home.town.name, bare + rng.choice("東西南北")]) + rng.choice(w["pubtown"]))
        else:
            self.trap(rng.choice(w["pub"]))

    # ---- slots ------------------------------------------------------------------------------------------------
    def slot(self, body: str) -> None:
        name, _, arg = body.partition(":")
        if name.endswith((".parent@m", ".parent@f")):  # a father, a mother
            name, _, sex = name.partition("@")
            self.memory[f"sex.{name}"] = sex
        bare = name.endswith("!")
        name = name.rstrip("!")
        role, _, attribute = name.partition(".")
        role, _, fixed = role.partition("@")  # {s1@保健師}, {m1@長男}: profession or kinship fixed by the skeleton
        if fixed and fixed not in ("m", "f") and role not in self.roles:
            self.memory["fixed." + role] = fixed
        if self._is_role(role) and fixed in ("m", "f"):
            self.memory["sex." + role] = fixed
        if self._is_role(role):
            if attribute:
                self._attribute(role, attribute, arg)
            elif arg.endswith("+"):
                self.mention(role, arg[:-1], "yes")
            else:
                self.mention(role, arg, "no" if bare or arg and arg != "call" else "auto")
            return
        handler = getattr(self, "_slot_" + name, None)
        if handler:
            handler(arg)
        elif re.sub(r"\d$", "", name) in FACILITY_KINDS or re.sub(r"\d$", "", name) == "fac":
            self.facility(name, arg)
        else:
            self._word(name, arg)

    @staticmethod
    def _is_role(role: str) -> bool:
        return re.fullmatch(r"[cwtx]|[mskrnfphqd]\d?|lord|boss", role) is not None or role in GENERIC

    def _attribute(self, role: str, attribute: str, arg: str) -> None:
        rng, p = self.rng, self.person(role)
        match attribute:
            case "rel":
                self.text(p.relation or "知人")
            case "title":
                self.text(p.title or "担当者")
            case "suffix":
                self.text(p.suffix or "さん")
            case "hon":
                self.text(self.hon or "さん")
            case "org":
                self.organisation(p)
            case "age":
                n = self.age(p)
                text = arg and rng.choice([f"{n}", f"{n}"]) or rng.choice([f"{n}歳", f"{n}歳", f"{n}才", f"{n // 10 * 10}代" if n > 19 else f"{n}歳", f"{n}歳"])
                if self.digits == "full":
                    text = text.translate(places.ZEN)
                if self.mode == "spoken" and rng.random() < 0.3 and n > 0:
                    text = places.kanji_number(n) + "歳"
                self.emit(text, "OPT", "age")
            case "sex":
                self.text(("男" if p.sex == "m" else "女") + rng.choice(["性", "", "性"]) if not arg else ("男" if p.sex == "m" else "女"))
            case "sexmark":
                self.text("男" if p.sex == "m" else "女")
            case "birth":
                if arg == "split" or not arg and rng.random() < (0.25 if self.mode == "spoken" else 0.03):
                    self.emit(*self._with("BIRTHDATE", dates.split(rng, p.birth)))
                    return
                short = arg == "short" or not arg and self.mode == "form" and rng.random() < 0.06
                text, form = dates.birth(rng, p.birth, self.digits, short)
                if text.isdigit() and arg == "sentence":
                    text, form = f"{p.birth.year}年{p.birth.month}月{p.birth.day}日", "western_long"
                self.emit(text, "BIRTHDATE", form)
            case "nat":
                text = table("foreign", "nations").get(p.nation, "日本")
                self.emit(text, "OPT", "nationality") if p.nation else self.text("日本")
            case "tel" | "mob":
                key = "tel" if attribute == "tel" else "mob"
                parts = p.facts.setdefault(key, numbers.phone_parts(rng, self.pref, attribute == "mob" or rng.random() < 0.35))
                text, form = numbers.phone(rng, parts, self.digits)
                self.emit(text, "PHONE", form)
            case "mail":
                latin = self._latin(p)
                memo = p.facts.setdefault("mail", numbers.email(rng, latin, bool(p.suffix)))
                self.emit(memo[0], "EMAIL", memo[1])
            case "addr":
                self.address(self._home_of(p), arg or "mix")
            case "zip":
                text, form = numbers.postal(rng, self._home_of(p).zip, self.digits)
                self.emit(text, "POSTAL_CODE", form)
            case "line":
                self.emit(numbers.handle(rng, self._latin(p)), "OTHER_ID", "line")
            case "alias":
                p.facts.setdefault("alias", people.surname(rng))
                self.emit(p.facts["alias"][0], "PERSON", "alias")
            case "parent":  # a guardian, mostly of the same surname
                sex = self.memory.get("sex." + role + ".parent") or rng.choice("mf")
                q = people.native(rng, sex, p.birth - dt.timedelta(days=rng.randint(20, 40) * 365), self.region, (p.sur, p.sur_kana)) if not p.parts else \
                    people.foreign(rng, sex, p.birth - dt.timedelta(days=rng.randint(20, 40) * 365), p.nation)
                surface, form, _ = people.render(rng, q, arg or "full", self.gap)
                self.emit(surface, "PERSON", form)
            case "job":
                n = self.age(p)
                kinds = ["nursery", ""] if n < 7 else ["elem"] if n < 13 else ["junior"] if n < 16 else ["high", "support"] if n < 19 else ["work", "shop", "work", "btype", "", ""] if n < 66 else ["care", "", "", "home"]
                kind = rng.choice(kinds)
                self._slot_new(kind)
                self.facility(kind) if kind else self.text("未就園" if n < 7 else rng.choice(["無職", "パート", "主婦", "会社員", "休職中"]) if n < 66 else rng.choice(["無職", "年金", "農業"]))
            case "maiden":
                p.facts.setdefault("maiden", people.surname(rng, self.region))
                text = p.facts["maiden"][0]
                self.emit(text, "PERSON", "one_char" if len(text) == 1 else "surname")
            case "wrong":  # the name written with other characters
                text = people.vary(rng, p.sur) if p.sur else p.parts[0][0]
                self.emit(text, "PERSON", "variant" if p.sur else "foreign_one")
            case _:
                raise grammar.SkeletonError(f"unknown attribute {role}.{attribute}")

    def _latin(self, p):
        if p.parts:
            return p.parts[0][1], p.parts[-1][1]
        return people.romaji(p.sur_kana), people.romaji(p.given_kana)

    def _home_of(self, p) -> places.Address:
        if p.suffix and "address" not in p.facts:
            p.facts["address"] = self._address(self._town())
        return p.facts.get("address", self.home)

    def _slot_new(self, arg):
        for key in arg.split(","):
            self.roles.pop(key, None)
            self.memory.pop("fac." + key, None)

    def _slot_sep(self, arg):
        self.text(self.sep)

    def _slot_place(self, arg):
        far = arg.startswith("far")
        town = self._far_town() if far else self._town()
        if arg in ("", "far") and self.rng.random() < 0.06:  # 五島の奈留, 大阪の大正区: one place in two steps
            muni, ward = places.city_words(town.city)
            bare = muni[:-1] if len(muni) > 2 else muni
            self.emit(f"{self.rng.choice([bare, bare, town.pref[:-1] if town.pref != '北海道' else '北海道'])}の{ward if ward and self.rng.random() < 0.4 else places.town_name(self.rng, town)}", "ADDRESS", "two_steps")
            return
        form = arg.removeprefix("far").strip(".") or self.rng.choices(["citytown", "city", "town", "chome", "bare", "pref", "nopref", "town_no"], [16, 28 if far else 14, 26, 10, 10 if far else 4, 14 if far else 0, 4, 5])[0]
        self.address(self._address(town), form)

    def _slot_addr(self, arg):
        self.address(self._address(self._town()), arg or "mix")

    def _slot_homepart(self, arg):
        self.address(self.home, arg or self.rng.choice(["town", "chome", "citytown", "town_no", "building"]))

    def _slot_abroad(self, arg):
        self.emit(self.rng.choice(load("foreign")["cities"]), "ADDRESS", "foreign_city")

    def _slot_station(self, arg):
        self.emit(places.station(self.rng, self._town()), "ADDRESS", "station")
        if self.rng.random() < 0.3:  # the side of the station says nothing by itself
            self.text(self.rng.choice(["前", "北口", "南口", "西口", "東口", "裏", "中央口"]))

    def _slot_landmark(self, arg):
        self.emit(places.landmark(self.rng, self._town()), "ADDRESS", "landmark")

    def _slot_bld(self, arg):
        self.emit(places.building(self.rng), "ADDRESS", "building")

    def _slot_danchi(self, arg):
        town = self._town()
        a = self._address(town)
        unit = self.rng.choice(["", "", f"{self.rng.choice(load('places')['blk'])}棟", f"{self.rng.randint(1, 12)}号棟{places.room(self.rng)}"])
        self.emit(places.danchi(self.rng, a.town) + unit, "ADDRESS", "danchi")

    def _slot_room(self, arg):
        if arg == "num":  # 203 alone, as room lists have it
            self.emit(places.room(self.rng), "ADDRESS", "room")
            return
        text, form = places.render_address(self.rng, self.home, arg or self.rng.choice(["room", "room", "block"]), self.digits)
        self.emit(text, "ADDRESS", form)

    def _slot_zip(self, arg):
        text, form = numbers.postal(self.rng, self._town().code, self.digits)
        self.emit(text, "POSTAL_CODE", form)

    def _slot_phone(self, arg):
        key = "phone" + arg
        parts = self.memory.setdefault(key, numbers.phone_parts(self.rng, self.pref, arg == "mob"))
        self.emit(*self._with("PHONE", numbers.phone(self.rng, parts, self.digits)))

    def _slot_mail(self, arg):
        self.emit(*self._with("EMAIL", numbers.email(self.rng, None, True)))

    @staticmethod
    def _with(label, pair):
        return pair[0], label, pair[1]

    def _slot_id(self, arg):
        kind, _, way = arg.replace("/", "").partition(".")
        text, form = numbers.identity(self.rng, kind, self.pref, places.city_words(self.city)[0], self.today.year)
        if way == "split" or self.rng.random() < (0.4 if self.mode == "spoken" else 0.03):
            text = numbers.split(self.rng, text)
        self.emit(text, "ID_NUMBER", form)

    def _slot_acct(self, arg):
        self.emit(numbers.account(self.rng, arg or "bank"), "ACCOUNT", arg or "bank")

    def _slot_bank(self, arg):
        w = self.rng.choice(load("plain")["bank"]).replace("○○", self.pref[:2])
        if w == "信用金庫":
            w = self.home.town.name + w
        self.emit(w, "OPT", "bank")

    def _slot_branch(self, arg):
        rng = self.rng
        place = rng.choice([self.home.town.name, places.city_words(self.city)[0][:-1], "駅前", "中央"]) + rng.choice(["支店", "支店", "出張所"])
        self.emit(rng.choice([place, place, place, "本店", places.kanji_number(rng.randint(11, 98)) + "支店"]), "OPT", "bank")

    def _slot_line(self, arg):
        self.emit(numbers.handle(self.rng, None), "OTHER_ID", "line")

    def _slot_sns(self, arg):
        at = self.rng.random() < 0.6
        if at:
            self.text("@")
        self.emit(numbers.handle(self.rng, None), "OTHER_ID", "sns")

    def _slot_plate(self, arg):
        muni = places.city_words(self.city)[0]
        self.emit(numbers.plate(self.rng, muni[:-1] if len(muni) > 1 else muni), "OTHER_ID", "plate")

    def _slot_money(self, arg):
        self.trap(numbers.money(self.rng, arg))

    def _slot_time(self, arg):
        text = numbers.clock(self.rng, arg == "point")
        self.trap(text.translate(places.ZEN) if self.digits == "full" else text)

    def _slot_car(self, arg):
        """A vehicle as people describe it; only its plate is marked."""
        w, rng = load("plain"), self.rng
        kind = rng.choice(w["carcolour"]) + rng.choice(["", "", "の"]) + rng.choice(w["carkind"])
        self.text(rng.choice([kind, kind, rng.choice(w["carkind"])]) + rng.choice([" ", "　", "、", "（", "、ナンバー", "："]))
        opened = self.pieces[-1].text.endswith("（")
        self._slot_plate("")
        self.text("）" if opened else "")

    def _slot_email_noise(self, arg):
        self.trap(numbers.technical(self.rng))

    def _slot_trap(self, arg):
        self.trap(arg)

    def _slot_ext(self, arg):
        self.emit(str(self.rng.randint(11, 8999)), "OPT", "extension")

    def _slot_initial(self, arg):
        a, b = self.rng.choice("AKSTYMNHO"), self.rng.choice("AKSTYMNH")
        self.emit(self.rng.choice([f"{a}", f"{a}.{b}.", f"{a}・{b}", chr(ord(a) + 0xFEE0)]), "OPT", "initial")

    def _slot_pet(self, arg):
        self.emit(self.rng.choice(load("plain")["pet"]), "OPT", "pet")

    def _slot_travel(self, arg):
        self.emit(self.rng.choice(load("plain")["travel"]), "OPT", "travel")

    def _slot_program(self, arg):
        self.trap(self.rng.choice(load("plain")["program"]))

    def _slot_named_program(self, arg):
        word = self.rng.choice(load("facility")["virtue"] + load("facility")["flower"])
        self.emit(self.rng.choice([f"{word}カフェ", f"サロン{word}", f"{word}サロン", f"{word}の会", f"{word}体操", f"オレンジカフェ{word}"]), "OPT", "program")

    def _slot_public(self, arg):
        self.public()

    def _slot_date(self, arg):
        if not arg and self.mode == "form":
            arg = "long"
        back = {"month": 2500, "year": 12000}.get(arg, 120)
        day = self.today - dt.timedelta(days=self.rng.randint(0, back))
        self.trap(dates.plain(self.rng, day, self.digits, arg))

    def _slot_num(self, arg):
        low, high = map(int, arg.split("-"))
        text = str(self.rng.randint(low, high))
        self.text(text.translate(places.ZEN) if self.digits == "full" else text)

    def _slot_word(self, arg):
        """An everyday sentence, by preference one whose words are also a name of this document's cast."""
        lines = load("plain")["word"]
        if self.rng.random() < 0.5:
            names = {n for p in self.roles.values() for n in (p.sur, p.given, p.given_kana) if n}
            lines = [x for x in lines if any(n in x for n in names)] or lines
        self.trap(self.rng.choice(lines))

    def _slot_age(self, arg):
        n = arg or self.rng.choice(["20代", "30代", "40代", "50代", "80代", "７０代", "15歳", "62歳", "九十歳"])
        self.emit(n + ("歳" if arg else ""), "OPT", "age")

    def _slot_observe(self, arg):
        for node in _parsed(self.rng.choice(load("plain")["observe"])):
            self.text(node[1]) if node[0] == "t" else self.slot(node[1])

    def _slot_today(self, arg):
        self.trap(dates.plain(self.rng, self.today, self.digits, arg or "long"))

    def _slot_clock(self, arg):
        """A chat time stamp, never running backwards in a document."""
        minute = self.memory["clock"] = min(self.memory.get("clock", self.rng.randint(480, 1200)) + self.rng.randint(0, 14), 1439)
        self.text(f"{minute // 60:02d}:{minute % 60:02d}" if self.rng.random() < 0.9 else f"{minute // 60}:{minute % 60:02d}")

    def _slot_counter(self, arg):
        n = self.memory["counter"] = self.memory.get("counter", 0) + 1
        self.text(str(n))

    def _slot_muni_general(self, arg):
        """A place name used generally, not tied to a person."""
        muni = places.city_words(self.city)[0]
        self.trap(self.rng.choice([muni, self.pref, muni]))

    def _word(self, name, arg):
        words = load("plain").get(name)
        if not words:
            raise grammar.SkeletonError(f"unknown slot {{{name}}}")
        if name in ("test", "disease") and self.rng.random() < 0.5:  # 長谷川式 in the notes of a 長谷川さん
            names = {p.sur for p in self.roles.values() if len(p.sur) > 1}
            words = [w for w in words if any(w.startswith(n) for n in names)] or words
        text = self.rng.choice(words)
        if self.digits == "full":
            text = re.sub("[0-9]", lambda m: chr(ord(m[0]) + 0xFEE0), text)
        self.trap(text)




@lru_cache(None)
def _parsed(line: str):
    return grammar.parse(line)
