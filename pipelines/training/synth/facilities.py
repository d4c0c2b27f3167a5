"""Facility names put together from parts: a base word (town, surname, flower, virtue, katakana, Latin) and a kind."""

import random

from . import people, places
from .lists import load

CARE_HEADS = {
    "care": ["デイサービス", "デイサービスセンター", "通所介護", "デイケア", "小規模多機能", "小規模多機能ホーム", "ショートステイ", "地域密着型デイ", "看多機"],
    "home": ["特別養護老人ホーム", "特養", "養護老人ホーム", "介護老人保健施設", "老健", "有料老人ホーム", "介護付有料老人ホーム", "サービス付き高齢者向け住宅", "サ高住", "ケアハウス", "軽費老人ホーム", "介護医療院", "住宅型有料"],
    "gh": ["グループホーム", "GH", "ＧＨ", "認知症対応型グループホーム", "共同生活援助", "福祉ホーム"],
    "kyotaku": ["居宅介護支援事業所", "ケアプランセンター", "居宅", "ケアプラン", "介護相談センター", "ケアマネジメントセンター"],
    "visit": ["訪問看護ステーション", "訪看", "ヘルパーステーション", "訪問介護", "訪問介護事業所", "ホームヘルプ", "訪問入浴"],
    "btype": ["就労継続支援B型", "就労継続支援Ｂ型事業所", "B型事業所", "作業所", "就労支援センター", "就労移行支援事業所", "A型事業所", "地域活動支援センター", "生活介護事業所", "放課後等デイサービス", "放デイ", "児童発達支援", "相談支援事業所", "多機能型事業所"],
    "nursery": ["認定こども園", "小規模保育", "企業主導型保育園", "学童クラブ", "放課後児童クラブ", "学童保育"],
    "shelter": ["母子生活支援施設", "無料低額宿泊所", "自立準備ホーム", "シェルター", "児童養護施設", "乳児院", "救護施設", "更生施設", "自立援助ホーム", "障害者支援施設", "児童心理治療施設", "婦人保護施設", "更生保護施設"],
}
TAIL = {
    "home": ["苑", "園", "の里", "荘", "ホーム", "の家", "の郷", "の杜", "ガーデン", "ビラ", "館", ""],
    "care": ["", "", "の家", "倶楽部", "園", "苑", "センター"],
    "shelter": ["学園", "寮", "の家", "ホーム", "荘", "園", "ハウス"],
}
WRITTEN = 0.4
"""Share of names written by hand (lists/named.txt) instead of put together."""
OFFICES = ["法律事務所", "法律事務所", "総合法律事務所", "司法書士事務所", "司法書士・行政書士事務所", "行政書士事務所", "社会保険労務士事務所", "税理士事務所", "会計事務所", "土地家屋調査士事務所"]
CLUBS = ["道場", "剣友会", "柔道クラブ", "少年団", "スポーツ少年団", "野球クラブ", "サッカークラブ", "FC", "スイミングスクール", "ピアノ教室", "書道教室", "英会話", "英語教室", "塾", "学習塾", "ゼミナール", "自動車学校", "自動車教習所",
         "老人クラブ", "子ども会", "合唱団", "太鼓保存会", "断酒会", "フットサルクラブ", "ダンススタジオ", "フィットネス", "乗馬クラブ", "こども食堂", "フリースクール", "みんなの食堂"]


def composed(rng: random.Random) -> str:
    """A name of several words, as small facilities give themselves: 風のひろば, みずうみの家, そらのとり."""
    f = load("facility")
    head, tail = rng.choice(f["namehead"]), rng.choice(f["nametail"])
    roll = rng.random()
    if roll < 0.5:
        return head + "の" + tail
    if roll < 0.62:
        return head + tail
    if roll < 0.72:
        return rng.choice(f["sound"]) + rng.choice(["", "", "ハウス", "くらぶ", "ひろば", "っこ", "村", "堂"])
    if roll < 0.84:
        return rng.choice(f["kata"]) + rng.choice(["・", "", " "]) + rng.choice(f["kata"])
    return head + "と" + tail


def kana_name(rng: random.Random, kind: str, town: places.Town) -> str:
    """A facility as print-outs of systems write it, in katakana: ニシヤマビヨウイン, （カ）ミナトシヨウカイ."""
    stem = rng.choice([people.katakana(town.kana[2]), people.katakana(people.surname(rng)[1]), people.katakana("".join(c for c in composed(rng) if "ぁ" <= c <= "ヺ") or "ヒマワリ"), rng.choice(load("facility")["kata"])])
    ending = {
        "elem": ["シヨウガツコウ", "ショウガッコウ"], "junior": ["チユウガツコウ", "チュウガッコウ"], "high": ["コウコウ", "コウトウガッコウ"], "support": ["シエンガッコウ"], "univ": ["ダイガク", "センモンガッコウ"],
        "nursery": ["ホイクエン", "ヨウチエン", "コドモエン"], "hosp": ["ビョウイン", "ビヨウイン", "イリョウセンター"], "clinic": ["クリニック", "ナイカ", "イイン", "シンリョウジョ"], "pharm": ["ヤッキョク", "ヤツキヨク"],
        "work": ["コウギョウ", "ショウジ", "ケンセツ", "ウンユ", "サンギョウ", "フーズ", "サービス"], "shop": ["ショウテン", "シヨウテン", "ストアー", "スーパー"], "dorm": ["リョウ"], "temple": ["ジ", "キョウカイ"],
        "office": ["ホウリツジムショ"], "home": ["エン", "ソウ", "ノサト"], "gh": ["グループホーム", "ホーム"], "kyotaku": ["キョタク", "ケアプランセンター"], "visit": ["ホウモンカンゴ", "ステーション"],
    }.get(kind, ["センター", "ノイエ", "ホーム", "デイサービス"])
    name = stem.strip() + rng.choice(["", "", " "]) + rng.choice(ending)
    if kind in ("work", "shop", "office") and rng.random() < 0.6:
        name = rng.choice(["カ)", "カ）", "ユ)", "(カ", "ド)"]) + name if rng.random() < 0.7 else name + rng.choice(["(カ", "（カ", "(ユ"])
    elif kind in ("hosp", "home", "nursery", "gh") and rng.random() < 0.2:
        name = rng.choice(["イ)", "フク)", "ガク)"]) + name
    return name


def base(rng: random.Random, town: places.Town) -> tuple[str, str]:
    """(base word, script)."""
    f = load("facility")
    roll = rng.random()
    if roll < 0.26:
        return town.name, "place"
    if roll < 0.36:
        muni, _ = places.city_words(town.city)
        return (muni[:-1] if len(muni) > 2 else muni), "place"
    if roll < 0.44:
        return rng.choice(f["flower"]), "word"
    if roll < 0.58:
        return rng.choice(f["virtue"]), "word"
    if roll < 0.71:
        return composed(rng), "word"
    if roll < 0.83:
        return rng.choice(f["kata"]), "kata"
    if roll < 0.87:
        return rng.choice(f["latin"]), "latin"
    return people.surname(rng)[0], "surname"


def _muni(town):
    return places.city_words(town.city)[0]


def name(rng: random.Random, kind: str, town: places.Town) -> tuple[str, list[str]]:
    """(full name, shorter names people use later)."""
    if rng.random() < WRITTEN and (rows := load("named").get(kind)):
        full, *shorts = (part for part in rng.choice(rows).split("|") if part)
        return full, shorts or [full]
    f = load("facility")
    b, script = base(rng, town)
    muni = _muni(town)
    bare = muni[:-1] if len(muni) > 2 else muni
    compass = rng.choice(["東", "西", "南", "北", "中央", "第一", "第二", "第三"])
    word = rng.choice(f["virtue"] + f["flower"]) if rng.random() < 0.6 else composed(rng)
    match kind:
        case "elem" | "junior" | "high" | "support":
            long, short = {"elem": ("小学校", "小"), "junior": ("中学校", "中"), "high": ("高等学校", "高"), "support": ("特別支援学校", "支援")}[kind]
            stem = rng.choice([town.name, town.name, bare, bare + compass, compass, town.name + compass] if kind != "support"
                              else [bare, town.name, word, "県立" + bare, bare + compass])
            if kind == "high":
                stem = rng.choice([stem + rng.choice(["", "工業", "商業", "農業", "実業", "総合"]), stem, rng.choice(["県立", "私立", ""]) + stem, bare + rng.choice(["学園", "学院"])])
            owner = rng.choice(["", "", "", muni + "立", "市立" if muni.endswith("市") else ""])
            if stem[:2] in ("県立", "私立"):
                owner = ""
            full = owner + stem + (rng.choice([long, "高校", "高校", long]) if kind == "high" else long)
            shorts = [stem + short] if kind != "support" else [stem + "支援", stem + "支援学校"]
            if kind == "high":
                shorts += [stem.removeprefix("県立").removeprefix("私立")[:1] + (trade if (trade := next((w[0] for w in ("工業", "商業", "農業") if w in stem), "")) else "高")]
            elif kind in ("elem", "junior") and len(stem) > 1 and rng.random() < 0.35:
                shorts += [stem[0] + short, stem[0] + rng.choice("一二三東西南北") + short]
            if kind == "junior" or kind == "elem":
                shorts += [stem + short + "学校"] if rng.random() < 0.3 else []
            return full, shorts
        case "univ":
            stem = rng.choice([bare, town.name, bare + rng.choice(["国際", "福祉", "女子", "工業", "学院"])])
            full = stem + rng.choice(["大学", "短期大学", "専門学校", "看護専門学校", "日本語学校", "日本語学院", "調理師専門学校", "美容専門学校", "ビジネス専門学校", "外語学院"])
            return full, [full.replace("専門学校", "専門").replace("大学", "大") if "短期" not in full else stem + "短大"]
        case "nursery":
            if rng.random() < 0.5:
                stem = rng.choice([b, word, word])
                full = stem + rng.choice(["保育園", "保育所", "幼稚園", "こども園", "学童", "学童クラブ", "認定こども園"])
                return full, [stem if stem == word and len(word) > 3 else full]
            full = rng.choice(CARE_HEADS[kind]) + word
            return full, [full]
        case "hosp":
            roll = rng.random()
            if roll < 0.3:
                full = rng.choice([muni + "立病院", muni + "民病院" if muni.endswith("市") else muni + "立病院", "県立" + bare + "病院", bare + "市民病院", muni + "立総合病院", muni + "立医療センター"])
                return full, ["市民病院", bare + "病院"] if "市" in muni else ["町立病院", bare + "病院"]
            if roll < 0.36:
                full = rng.choice(["独立行政法人国立病院機構", "国立", "国立大学法人"]) + bare + rng.choice(["医療センター", "病院"])
                return full, [bare + "医療センター"]
            full = b + rng.choice(f["hospkind"])
            if rng.random() < 0.12:
                full = rng.choice(["医療法人" + word + "会", "医療法人社団" + word + "会 ", "社会医療法人" + word + "会　"]) + full
            return full, [full, b + "病院", b + "HP" if rng.random() < 0.2 else b + "病院"]
        case "clinic":
            kindword = rng.choice(f["clinickind"])
            stem = people.surname(rng)[0] if rng.random() < 0.45 else b
            full = rng.choice([stem + kindword, stem + kindword, rng.choice(["駅前", "ひかり", "みなと", town.name, "中央通り"]) + kindword])
            return full, [full]
        case "pharm":
            full = (b if rng.random() < 0.7 else word) + rng.choice(f["pharm"])
            return full, [full]
        case "work":
            return employer(rng, b, script, town)
        case "shop":
            roll = rng.random()
            if roll < 0.4:
                full = people.surname(rng)[0] + rng.choice(f["shopkind"])
            elif roll < 0.7:
                full = rng.choice(f["shopk"]) + rng.choice(f["shopname"])
            else:
                full = rng.choice(f["shopname"]) + rng.choice(["", town.name + "店", "駅前店", bare + "店", " 本店", "二号店"])
            return full, [full]
        case "npo":
            full = rng.choice(["NPO法人", "ＮＰＯ法人", "特定非営利活動法人", "一般社団法人", "認定NPO法人", ""]) + rng.choice(["", " "] if rng.random() < 0.3 else [""]) + b + rng.choice(
                ["", "", "の会", "ネット", "ネットワーク", "サポートセンター", "フードバンク", "こども食堂", "家族会", "ひろば", "相談室", "の家", "断酒会", "ダルク", "ハウス"])
            return (full, [full.split("法人")[-1].strip()]) if len(full) > 4 else (full + "の会", [full + "の会"])
        case "dorm":
            full = rng.choice([b, word, bare]) + rng.choice(["寮", "学生寮", "独身寮", "男子寮", "女子寮", "社員寮", "社宅", "会館"])
            return full, [full]
        case "temple":
            full = rng.choice(["光明", "正覚", "西福", "妙法", "浄念", "大雲", "長楽", "円通", "龍泉", "善照", "観音", "真光", "宝蔵"]) + rng.choice(["寺", "院", "寺"]) if rng.random() < 0.5 else rng.choice(
                [bare + "キリスト教会", bare + "カトリック教会", town.name + "八幡宮", town.name + "神社", bare + "バプテスト教会", "天理教" + town.name + "分教会", "モスク" + bare, bare + "モスク"])
            return full, [full]
        case "office":
            stem = rng.choice([people.surname(rng)[0], people.surname(rng)[0], people.surname(rng)[1], bare, town.name, word])
            kindword = rng.choice(OFFICES)
            full = rng.choice([stem + kindword] * 5 + [kindword[:4] + stem + "事務所" if kindword[:4] in ("行政書士", "司法書士") else stem + kindword, "弁護士法人" + rng.choice(["", " "]) + stem, "司法書士法人" + rng.choice(["", " "]) + stem + rng.choice(["オフィス", "事務所", ""])])
            return full, [full]
        case "club":
            full = rng.choice([b, bare, town.name, word]) + rng.choice(CLUBS)
            return full, [full]
        case "boat":
            full = "第" + rng.choice(["一", "二", "三", "五", "八", "十八", "二十一"]) + rng.choice(["幸福", "大漁", "海洋", "光", "長栄", "宝", "福寿", "日の出"]) + "丸"
            return full, [full]
        case _:
            head = rng.choice(CARE_HEADS[kind])
            stem = rng.choice([b, word, word, rng.choice(f["kata"])])
            alone = not (stem == b and script in ("place", "surname"))  # a town or a surname is no facility name by itself
            tail = rng.choice(TAIL.get(kind, ["", "", "", "", "の家", "ホーム"]))
            if "の" in stem and tail.startswith("の"):
                tail = ""
            if kind in ("visit", "kyotaku") and rng.random() < 0.5 and head not in ("居宅", "訪看"):
                full = stem + head
            elif rng.random() < 0.16:
                full = stem + tail if tail and (alone or tail in ("苑", "荘", "の里", "の家", "ホーム", "学園")) else head + stem
            else:
                full = head + rng.choice(["", "", "", " ", "　"]) + stem + tail
            if rng.random() < 0.1:
                full = rng.choice(f["corp"][:3]) + rng.choice(f["virtue"]) + "会" + rng.choice(["", " ", "　"]) + full
            short = stem + tail
            return full, [full, short if len(short) >= 2 and (alone or tail) else full]


def employer(rng, b, script, town) -> tuple[str, list[str]]:
    f = load("facility")
    stem = rng.choice([b, b, people.surname(rng)[0], rng.choice(f["shopname"]), rng.choice(f["kata"]), town.name[:1] + rng.choice("陽光南北東豊栄和協")])
    ending = rng.choice(f["indus"]) if rng.random() < 0.6 else rng.choice(f["indusk"])
    if rng.random() < 0.12 and len(stem) > 2 and stem in f["kata"] + f["virtue"]:
        ending = ""
    body = stem + ending
    form = rng.choice(f["company"][:3] * 3 + f["company"])
    roll = rng.random()
    muni = places.city_words(town.city)[0]
    branch = rng.choice(["", "", "", "", rng.choice([muni[:-1] if len(muni) > 2 else muni, town.name]) + rng.choice(["工場", "営業所", "支店", "店", "事業所", "センター"]),
                         "第二工場", "本社"])
    if len(body) < 3 and roll >= 0.8:
        roll = 0.1
    if roll < 0.4:
        return form + rng.choice(["", "", " "]) + body + branch, [body, body]
    if roll < 0.6 and form not in ("協同組合",):
        return body + form + branch, [body]
    return body + branch, [body]
