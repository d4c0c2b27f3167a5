#!/usr/bin/env python3
"""みどり野市デモデータの点検。

使い方:
    python3 check.py              全ファイルを点検し、直すところがあれば 1 で終わる
    python3 check.py --self-test  読み込んだ写しを壊し、点検が見つけることを確かめる

標準ライブラリだけで動く（Python 3.11 以降）。指摘は「ファイル: 何が: どう直す」の形で出す。
"""
import copy
import datetime as dt
import json
import re
import sys
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIRST_MONTH, LAST_MONTH = (2025, 5), (2026, 11)
SECTIONS = {"intake", "assessment", "network", "progress"}
LEVELS = {"none", "masked", "read", "edit"}
CONSENTED = {"full", "limited", "verbal"}
NO_CASEWORK = {"sysadmin", "viewer", "auditor", "stat"}
TABLES = {
    "services_used": {"org", "org_name", "service", "frequency", "staff", "started_on"},
    "agencies": {"org", "org_name", "org_type", "staff", "member", "support", "lead"},
    "issue_priority": {"issue", "priority", "awareness", "whose"},
}
CASE_KEYS = {
    "case_no", "program", "stage", "received_on", "closed_on", "urgency", "owner", "lead_agency", "similar_ok",
    "constellation", "persons", "members", "disclosures", "consents", "intake", "assessment", "network", "progress",
    "screening", "plans", "meetings", "evaluations",
}
# 必要になったときに作る様式: 事案の項目名と、datasets/forms の様式。
LATER = {"screening": "screening", "plans": "plan", "meetings": "meeting", "evaluations": "evaluation"}
PERSON_KEYS = {
    "ref", "role", "name", "kana", "gender", "birth_date", "estimated_age", "postal_code", "address", "phone_home",
    "phone_mobile", "kinship", "cohabit", "occupation", "affiliation", "note", "alias", "former_names",
    "nationality_lang", "contact_caution", "is_anonymous", "is_deceased", "death_date", "address_confidential",
    "allow", "risk_flags",
}
# 使われていない番号の並びだけを許す（090 は 11 桁なので 10 桁の 0900-… にはつながらない。
# 市外局番の次が 0 で始まる番号は加入者に割り当てられない。000 で始まる郵便番号はない）。
MOBILE = re.compile(r"0900-\d{2}-\d{4}")
HOME = re.compile(r"0499-0\d-\d{4}")
POSTAL = re.compile(r"000-\d{4}")
MUNICIPALITIES = ("みどり野市", "青葉原市", "瀬戸川市", "北嶺市", "遠浜町")
ANY_PHONE = re.compile(r"(?<![\d-])0\d{1,4}-\d{1,4}-\d{3,4}(?![\d-])")


def load(root=HERE):
    data = {
        "municipality": tomllib.loads((root / "municipality.toml").read_text("utf-8")),
        "options": json.loads((root / "options.json").read_text("utf-8")),
        "forms": {f: tomllib.loads((root / f"../forms/{f}.toml").read_text("utf-8")) for f in ("options", *LATER.values())},
        "cases": {},
        "transcripts": {},
    }
    for path in sorted((root / "cases").glob("*.toml")):
        data["cases"]["cases/" + path.name] = tomllib.loads(path.read_text("utf-8"))
    for path in sorted((root / "transcripts").glob("*")):
        if path.suffix != ".md":
            data["transcripts"]["transcripts/" + path.name] = path.read_text("utf-8")
    return data


def age_on(birth, day):
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def school_years(birth, day):
    """その日の就学年数。小学1年 = 1、中学1年 = 7、高校1年 = 10。就学前は 0 以下。"""
    fiscal = day.year - (day.month < 4)
    born = birth.year - ((birth.month, birth.day) < (4, 2))
    return fiscal - born - 6


def check_digit(code):
    total = sum(int(c) * w for c, w in zip(code[:5], (6, 5, 4, 3, 2)))
    return str((11 - total % 11) % 10)


def texts(value, skip=()):
    """値の木から (場所, 文字列) を順に出す。"""
    if isinstance(value, str):
        yield "", value
    elif isinstance(value, dict):
        for key, child in value.items():
            if key not in skip:
                for where, text in texts(child, skip):
                    yield f"{key}.{where}".rstrip("."), text
    elif isinstance(value, list):
        for i, child in enumerate(value):
            for where, text in texts(child, skip):
                yield f"[{i}].{where}".rstrip("."), text


def prose(case):
    """文の重なりを数える対象。符号や名前は含めない。"""
    for sheet in ("intake", "assessment"):
        for key, value in case[sheet].items():
            if isinstance(value, str) and key not in ("visitor_name", "referring_org") and not value.isascii():
                yield f"{sheet}.{key}", value
    for name in LATER:
        for where, text in texts(case.get(name, {})):
            if not text.isascii() and len(text) > 15:
                yield f"{name}.{where}", text
    if "community_note" in case["network"]:
        yield "network.community_note", case["network"]["community_note"]
    for i, entry in enumerate(case["progress"]):
        yield f"progress[{i}]", entry["content"]
    for person in case["persons"]:
        for key in ("note", "contact_caution"):
            if key in person:
                yield f"persons.{person['ref']}.{key}", person[key]
    for consent in case["consents"]:
        if "note" in consent:
            yield "consents.note", consent["note"]


def sentences(text):
    for part in re.split(r"[。\n]", text):
        plain = re.sub(r"[\s「」『』]", "", part)
        if len(plain) >= 5:
            yield plain


class Report(list):
    def add(self, file, what, fix):
        self.append(f"{file}: {what}: {fix}")


def check_municipality(data, out):
    m, opt, f = data["municipality"], data["options"]["options"], "municipality.toml"
    code = m["code"]
    if not re.fullmatch(r"\d{6}", code) or check_digit(code) != code[5]:
        out.add(f, f"団体コード {code} の検査数字が合わない", f"末尾を {check_digit(code)} にする")
    if m.get("zone") != "Asia/Tokyo":
        out.add(f, "zone が Asia/Tokyo でない", "Asia/Tokyo にする")
    agencies = {a["id"]: a for a in m["agencies"]}
    if len(m["agencies"]) != 8 or len(agencies) != 8:
        out.add(f, f"機関が {len(agencies)} 件", "8 件にし、id を重ねない")
    if len({a["code"] for a in m["agencies"]}) != len(m["agencies"]):
        out.add(f, "機関コードが重なっている", "別のコードにする")
    for a in m["agencies"]:
        if a["org_type"] not in opt["org_type"]:
            out.add(f, f"{a['id']} の org_type {a['org_type']} がない", "options.json の符号にする")
        if a["class"] not in ("coordinator", "department", "agency"):
            out.add(f, f"{a['id']} の class {a['class']}", "coordinator / department / agency にする")
        if not HOME.fullmatch(a["phone"]):
            out.add(f, f"{a['id']} の電話 {a['phone']} がつながり得る", "0499-0x-xxxx にする")
    accounts = m["accounts"]
    if len(accounts) != 20 or len({a["login_id"] for a in accounts}) != 20:
        out.add(f, f"職員が {len(accounts)} 人", "20 人にし、login_id を重ねない")
    dual, roles = 0, set()
    for a in accounts:
        if not re.fullmatch(r"[a-z][a-z0-9]+", a["login_id"]):
            out.add(f, f"login_id {a['login_id']}", "英小文字と数字にする")
        if not a["email"].endswith("@midorino.example"):
            out.add(f, f"{a['login_id']} のメール {a['email']}", "@midorino.example にする")
        if a["profession"] not in opt["profession"]:
            out.add(f, f"{a['login_id']} の職種 {a['profession']} がない", "options.json の符号にする")
        dual += len(a["memberships"]) >= 2
        for ms in a["memberships"]:
            roles.add(ms["role"])
            if ms["role"] not in opt["role"]:
                out.add(f, f"{a['login_id']} の役割 {ms['role']} がない", "options.json の符号にする")
            if ms["agency"] not in agencies:
                out.add(f, f"{a['login_id']} の所属 {ms['agency']} がない", "機関の id にする")
            if ms.get("valid_to", dt.date.max) < ms["valid_from"]:
                out.add(f, f"{a['login_id']} の所属期間が逆", "valid_from ≦ valid_to にする")
    if dual < 3:
        out.add(f, f"所属が二つある職員が {dual} 人", "3 人以上にする")
    for role in set(opt["role"]) - roles:
        out.add(f, f"役割 {role} の職員がいない", "一人以上に割り当てる")


def check_later(out, file, case, data, end):
    """スクリーニング、プラン、会議、評価を、製品の様式の定義と比べる。"""
    accounts = {a["login_id"] for a in data["municipality"]["accounts"]}
    agencies = {a["id"] for a in data["municipality"]["agencies"]}
    refs = {p["ref"] for p in case["persons"]}
    listed = {"user_ref": accounts, "org_ref": agencies, "person_ref": refs}
    codes = {entry["id"]: {o["code"] for o in entry["options"]} for entry in data["forms"]["options"]["list"]}

    def look(where, fields, values):
        for key in set(values) - set(fields):
            out.add(file, f"{where}.{key} という項目がない", "様式の項目 id にする")
        for key, field in fields.items():
            value, kind = values.get(key), field["type"]
            if value is None:
                if field.get("required") and kind != "calc":
                    out.add(file, f"{where}.{key} がない", "必須の項目を書く")
                continue
            if kind == "table":
                columns = {c["id"]: c for c in field["columns"]}
                for i, row in enumerate(value):
                    look(f"{where}.{key}[{i}]", columns, row)
            elif kind in listed and value not in listed[kind]:
                out.add(file, f"{where}.{key} の {value} がない", "職員の login_id、機関の id、人の ref にする")
            elif kind in ("select", "multiselect"):
                for code in value if isinstance(value, list) else [value]:
                    if code not in codes[field["options"]]:
                        out.add(file, f"{where}.{key} の符号 {code} がない", f"{field['options']} の符号にする")
            elif kind == "date" and not (isinstance(value, dt.date) and not isinstance(value, dt.datetime)):
                out.add(file, f"{where}.{key} が日付でない", "YYYY-MM-DD にする")
            elif kind == "int" and (isinstance(value, bool) or not isinstance(value, int)):
                out.add(file, f"{where}.{key} が数でない", "引用符をはずす")

    for name, form in LATER.items():
        definition = data["forms"][form]
        fields = {f["id"]: f for section in definition["sections"] for f in section["fields"]}
        sheets = case.get(name, [])
        for i, sheet in enumerate([sheets] if isinstance(sheets, dict) else sheets):
            where = f"{name}[{i}]"
            look(where, fields, sheet)
            if sheet.get("case_no") != case["case_no"]:
                out.add(file, f"{where} の事案番号が違う", "case_no にそろえる")
            day = sheet.get(definition.get("date", ""))
            day = day.date() if isinstance(day, dt.datetime) else day
            if day and not case["received_on"] <= day <= end:
                out.add(file, f"{where} の日付 {day} が受付の前か終わりの後", "日付を直す")


def check_sheet(out, file, name, values, fields, opt, agencies, refs):
    for key, value in values.items():
        if key in TABLES and isinstance(value, list) and name == "assessment":
            for row in value:
                for extra in set(row) - TABLES[key]:
                    out.add(file, f"{name}.{key} の列 {extra}", "README の列名にする")
                for column, listed in (("org_type", "org_type"), ("issue", "issues"), ("awareness", "yes_no")):
                    if column in row and row[column] not in opt[listed]:
                        out.add(file, f"{name}.{key} の {column} {row[column]} がない", f"{listed} の符号にする")
                if "org" in row and row["org"] not in agencies:
                    out.add(file, f"{name}.{key} の org {row['org']} がない", "機関の id にするか org_name に書く")
                for column in ("member", "whose"):
                    if column in row and row[column] not in refs:
                        out.add(file, f"{name}.{key} の {column} {row[column]} がいない", "人の ref にする")
            continue
        spec = fields.get(key)
        if spec is None:
            out.add(file, f"{name}.{key} という項目がない", "様式の項目 id にする")
            continue
        kind, listed = spec["type"], opt.get(spec["options"] or "")
        if kind == "multiselect" and not isinstance(value, list):
            out.add(file, f"{name}.{key} が一覧でない", "[\"符号\", …] にする")
        elif kind == "date" and not (isinstance(value, dt.date) and not isinstance(value, dt.datetime)):
            out.add(file, f"{name}.{key} が日付でない", "YYYY-MM-DD にする")
        elif kind in ("int", "number") and (isinstance(value, bool) or not isinstance(value, int)):
            out.add(file, f"{name}.{key} が数でない", "引用符をはずす")
        if listed and kind in ("select", "multiselect"):
            for code in value if isinstance(value, list) else [value]:
                if code not in listed:
                    out.add(file, f"{name}.{key} の符号 {code} がない", f"{spec['options']} の符号にする")
    for key, listed in (("handbook_body", "body"), ("handbook_mental", "mental"), ("handbook_ryoiku", "ryoiku")):
        if key in values and listed not in values.get("handbooks", []):
            out.add(file, f"{name}.{key} があるのに手帳の種別がない", f"handbooks に {listed} を入れる")


def check_ages(out, file, where, text, case, first, last):
    surnames = Counter(p["name"].split()[0] for p in case["persons"])
    for person in case["persons"]:
        birth = person.get("birth_date")
        if not birth:
            continue
        parts = person["name"].split()
        names = {person["name"], "".join(parts), parts[-1]}
        if surnames[parts[0]] == 1:
            names.add(parts[0])
        pattern = "(?:" + "|".join(map(re.escape, sorted(names, key=len, reverse=True))) + r")(?:さん|くん|ちゃん|様)?[（(は]?\s*(\d{1,3})歳(?!で|から|のとき|の頃|ごろ|まで)"
        for hit in re.finditer(pattern, text):
            told, ages = int(hit[1]), range(age_on(birth, first), age_on(birth, last) + 1)
            if told not in ages:
                out.add(file, f"{where} の「{hit[0]}」が生年月日と合わない", f"{ages[0]}歳にする")


def check_case(file, case, data, out):
    m, opt = data["municipality"], data["options"]["options"]
    fields, today = data["options"]["fields"], m["today"]
    agencies = {a["id"] for a in m["agencies"]}
    accounts = {a["login_id"]: a for a in m["accounts"]}
    for key in set(case) - CASE_KEYS:
        out.add(file, f"知らない項目 {key}", "README の項目名にする")
    received, closed = case["received_on"], case.get("closed_on")
    end = closed or today
    fiscal = received.year - (received.month < 4)
    if not re.fullmatch(rf"{fiscal}-\d{{4}}", case["case_no"]):
        out.add(file, f"事案番号 {case['case_no']} が年度と合わない", f"{fiscal}-NNNN にする")
    if not file.split("/")[-1].startswith(case["case_no"] + "-"):
        out.add(file, "ファイル名が事案番号で始まらない", f"{case['case_no']}-… にする")
    for key, listed in (("stage", "case_status"), ("urgency", "urgency")):
        if case[key] not in opt[listed]:
            out.add(file, f"{key} の符号 {case[key]} がない", f"{listed} の符号にする")
    if (case["stage"] == "closed") != (closed is not None):
        out.add(file, "段階と closed_on が合わない", "終結のときだけ closed_on を書く")
    if received > today or (closed and not received <= closed <= today):
        out.add(file, "受付日・終結日の並びが違う", "受付 ≦ 終結 ≦ 今日にする")
    owner = accounts.get(case["owner"])
    if not owner or not any(x["role"] in ("coordinator", "coord_mgr") for x in owner["memberships"]):
        out.add(file, f"主担当 {case['owner']} が多機関協働事業者でない", "coordinator か coord_mgr の職員にする")

    refs = [p["ref"] for p in case["persons"]]
    if len(set(refs)) != len(refs):
        out.add(file, "人の ref が重なっている", "別の ref にする")
    clients = [p["ref"] for p in case["persons"] if p["role"] == "client"]
    if not clients:
        out.add(file, "支援対象者がいない", "role = \"client\" の人を置く")
    for p in case["persons"]:
        who = f"persons.{p['ref']}"
        for key in set(p) - PERSON_KEYS:
            out.add(file, f"{who} の知らない項目 {key}", "README の項目名にする")
        for key, listed in (("gender", "gender"), ("kinship", "kinship")):
            if p[key] not in opt[listed]:
                out.add(file, f"{who}.{key} の符号 {p[key]} がない", f"{listed} の符号にする")
        if p["role"] not in ("client", "family", "related"):
            out.add(file, f"{who}.role {p['role']}", "client / family / related にする")
        if "postal_code" in p and not POSTAL.fullmatch(p["postal_code"]):
            out.add(file, f"{who} の郵便番号 {p['postal_code']} が実在し得る", "000-xxxx にする")
        if "phone_mobile" in p and not MOBILE.fullmatch(p["phone_mobile"]):
            out.add(file, f"{who} の携帯 {p['phone_mobile']} がつながり得る", "0900-xx-xxxx にする")
        if "phone_home" in p and not HOME.fullmatch(p["phone_home"]):
            out.add(file, f"{who} の電話 {p['phone_home']} がつながり得る", "0499-0x-xxxx にする")
        if "address" in p and not p["address"].startswith(MUNICIPALITIES):
            out.add(file, f"{who} の住所が架空の市町で始まらない", " / ".join(MUNICIPALITIES) + " で始める")
        birth = p.get("birth_date")
        if birth and not (birth <= end and age_on(birth, today) <= 110):
            out.add(file, f"{who} の生年月日 {birth} がおかしい", "今日までの日付、110歳以下にする")
        if bool(p.get("is_deceased")) != ("death_date" in p):
            out.add(file, f"{who} の死亡と死亡日がそろわない", "両方書くか両方消す")
        if "death_date" in p and not (birth or dt.date.min) <= p["death_date"] <= today:
            out.add(file, f"{who} の死亡日がおかしい", "生年月日と今日のあいだにする")
        school = re.search(r"(小学|中学|高校)(\d)年|(年長)", p.get("affiliation", ""))
        if school and birth:
            want = 0 if school[3] else {"小学": 0, "中学": 6, "高校": 9}[school[1]] + int(school[2])
            have = school_years(birth, end)
            if want != have:
                out.add(file, f"{who} の「{school[0]}」が生年月日と合わない（就学{have}年目）", "学年か生年月日を直す")
        for flag in p.get("risk_flags", []):
            if flag["flag"] not in opt["risk_flag"]:
                out.add(file, f"{who} の注意フラグ {flag['flag']} がない", "risk_flag の符号にする")
            if not flag["basis"] or flag["review_on"] < received:
                out.add(file, f"{who} の注意フラグに根拠がないか見直し日が受付前", "根拠と先の見直し日を書く")
        if p.get("address_confidential"):
            for a in p.get("allow", []):
                if a not in agencies:
                    out.add(file, f"{who}.allow の {a} がない", "機関の id にする")
            secret = [p.get("phone_mobile"), p.get("phone_home"), p.get("postal_code")]
            address = p.get("address", "")
            town = re.match(r"(?:.+?[市町村])?(\D{2,}?)\d", address)
            secret += [address, town and town[1], *address.split()[1:]]
            municipality = next((x for x in MUNICIPALITIES[1:] if address.startswith(x)), None)
            secret.append(municipality)
            body = {k: v for k, v in case.items() if k != "persons"}
            others = [{k: v for k, v in q.items() if k in ("note", "contact_caution", "risk_flags", "occupation", "affiliation")} for q in case["persons"]]
            for where, text in texts([body, others]):
                for word in filter(None, secret):
                    if word in text:
                        out.add(file, f"住所秘匿の {p['ref']} の「{word}」が {where} に出ている", "台帳（persons）だけに置く")
        elif "allow" in p:
            out.add(file, f"{who} に allow だけがある", "address_confidential = true にするか allow を消す")

    member_from = {}
    for x in case["members"]:
        if x["agency"] not in agencies or x["role"] not in ("lead", "member"):
            out.add(file, f"members の {x['agency']} / {x['role']}", "機関の id と lead / member にする")
        if not received <= x["from"] <= end:
            out.add(file, f"members の {x['agency']} の開始日 {x['from']}", "受付日から終わりまでの間にする")
        member_from[x["agency"]] = (x["from"], x.get("to", dt.date.max))
    leads = [x["agency"] for x in case["members"] if x["role"] == "lead"]
    if leads != [case["lead_agency"]]:
        out.add(file, f"主担当機関 {case['lead_agency']} と members の lead {leads} が違う", "そろえる")
    if "shakyo-takikan" not in member_from:
        out.add(file, "多機関協働室が members にいない", "加える")
    for x in case.get("disclosures", []):
        if x["agency"] not in agencies or x["section"] not in SECTIONS or x["level"] not in LEVELS:
            out.add(file, f"disclosures の {x}", "機関 id・section・level を直す")
        elif x["level"] == "edit" and x["agency"] not in member_from:
            out.add(file, f"{x['agency']} は members でないのに編集できる", "members に加えるか level を下げる")

    obtained = defaultdict(list)
    for c in case["consents"]:
        if c["person"] not in refs or c["status"] not in opt["consent_status"]:
            out.add(file, f"consents の {c['person']} / {c['status']}", "人の ref と consent_status の符号にする")
            continue
        if c.get("method") and c["method"] not in opt["consent_method"]:
            out.add(file, f"{c['person']} の取得方法 {c['method']} がない", "consent_method の符号にする")
        got = c.get("obtained_on")
        if c["status"] in CONSENTED and not (got and c.get("method")):
            out.add(file, f"{c['person']} の同意に日付か方法がない", "obtained_on と method を書く")
        if c["status"] == "limited" and not c.get("allowed_agencies"):
            out.add(file, f"{c['person']} の限定同意に機関がない", "allowed_agencies を書く")
        for a in c.get("allowed_agencies", []):
            if a not in agencies:
                out.add(file, f"allowed_agencies の {a} がない", "機関の id にする")
        if got and not received <= got <= end:
            out.add(file, f"{c['person']} の同意日 {got} が受付前か終わりの後", "日付を直す")
        if got and c.get("expires_on", dt.date.max) < got:
            out.add(file, f"{c['person']} の同意の期限が取得日より前", "日付を直す")
        if not closed and c["status"] in CONSENTED and c.get("expires_on", today) < today:
            out.add(file, f"{c['person']} の同意の期限 {c['expires_on']} が過ぎている", "status を expired にするか取り直した日を書く")
        obtained[c["person"]].append((c["status"], got))
    for ref in clients:
        if ref not in obtained:
            out.add(file, f"支援対象者 {ref} の同意の記録がない", "consents に加える")

    for name, code in (("intake", "UKE"), ("assessment", "IAS")):
        check_sheet(out, file, name, case[name], fields[code], opt, agencies, refs)
    check_later(out, file, case, data, end)
    scalars = {k: v for k, v in case["network"].items() if not isinstance(v, list)}
    check_sheet(out, file, "network", scalars, fields["HHD"], opt, agencies, refs)
    intake, ias = case["intake"], case["assessment"]
    if intake.get("received_on") != received or ias.get("first_received_on") != received:
        out.add(file, "受付日が様式と違う", "intake と assessment の受付日を received_on にそろえる")
    if intake.get("case_no") != case["case_no"] or ias.get("case_no") != case["case_no"]:
        out.add(file, "様式の事案番号が違う", "case_no にそろえる")
    if not received <= intake.get("applied_on", received) <= end:
        out.add(file, "申込日が受付日より前か終わりの後", "日付を直す")
    created, updated = ias["created_on"], ias["updated_on"]
    if not received <= created <= updated <= end:
        out.add(file, "アセスメントの作成日・更新日の並びが違う", "受付 ≦ 作成 ≦ 更新 ≦ 終わりにする")
    for who in ias["assignees"]:
        if who not in accounts:
            out.add(file, f"assignees の {who} がいない", "職員の login_id にする")
    count = len(ias)
    if case["stage"] != "received" and not 25 <= count <= 65:
        out.add(file, f"アセスメントの項目が {count}", "25〜65 にする")

    nodes = {n["id"] for n in case["network"].get("nodes", [])}
    for n in case["network"].get("nodes", []):
        if n.get("person", refs[0]) not in refs or n.get("agency", "hidamari") not in agencies:
            out.add(file, f"network の {n['id']} の参照先がない", "人の ref か機関の id にする")
    for t in case["network"].get("ties", []):
        if t["from"] not in nodes or t["to"] not in nodes:
            out.add(file, f"network の線 {t['from']} → {t['to']} の端がない", "nodes に加える")
        if t["kind"] not in opt["ecorel"] or t.get("direction", "none") not in opt["flow"]:
            out.add(file, f"network の線の種類 {t['kind']} / {t.get('direction')}", "ecorel と flow の符号にする")
    for r in case["network"].get("relations", []):
        if r["from"] not in refs or r["to"] not in refs or r["kind"] not in opt["gengrel"]:
            out.add(file, f"家系の線 {r['from']} → {r['to']} / {r['kind']}", "人の ref と gengrel の符号にする")
    check_households(file, case, out)

    entries = case["progress"]
    if not 4 <= len(entries) <= 12:
        out.add(file, f"支援経過が {len(entries)} 件", "4〜12 件にする")
    previous = None
    for i, e in enumerate(entries):
        where, day = f"progress[{i}]", e["performed_at"].date()
        if not received <= day <= end:
            out.add(file, f"{where} の日 {day} が受付前か終わりの後", "日付を直す")
        if previous and e["performed_at"] < previous:
            out.add(file, f"{where} が前の記録より古い", "時刻の順に並べる")
        previous = e["performed_at"]
        if e["method"] not in opt["log_method"]:
            out.add(file, f"{where} の方法 {e['method']} がない", "log_method の符号にする")
        for x in e["involved"]:
            if x not in opt["org_type"]:
                out.add(file, f"{where} の関与機関 {x} がない", "org_type の符号にする")
        for x in e["targets"]:
            if x not in refs:
                out.add(file, f"{where} の対象 {x} がいない", "人の ref にする")
        staff = accounts.get(e["staff"])
        held = [x for x in staff["memberships"] if x["agency"] == e["agency"] and x["valid_from"] <= day <= x.get("valid_to", dt.date.max) and x["role"] not in NO_CASEWORK] if staff else []
        if not held:
            out.add(file, f"{where} の {e['staff']} は {day} に {e['agency']} で記録できない", "所属の期間内の職員にする")
        # 多機関協働室は窓口として兼務先の名で記録することがある（kurashi-support の兼務）。
        begun = member_from.get(e["agency"])
        if begun and not begun[0] <= day <= begun[1]:
            out.add(file, f"{where} の {e['agency']} は {day} にまだ事案メンバーでない", "members の開始日を直す")
        n = len([s for s in re.split(r"[。\n]", e["content"]) if s.strip("」 ")])
        if not 1 <= n <= 14 or not 30 <= len(e["content"]) <= 600:
            out.add(file, f"{where} の内容が短すぎるか長すぎる", "30〜600 字にする")
        if not 5 <= e["minutes"] <= 240:
            out.add(file, f"{where} の所要時間 {e['minutes']} 分", "5〜240 分にする")
        check_ages(out, file, where, e["title"] + "。" + e["content"], case, day, day)
        if e["method"] == "jyuso":
            for ref in set(e["targets"]) & set(clients):
                known = obtained[ref]
                if not any(s in ("withdrawn", "incapable", "expired") or (s in CONSENTED and g and g <= day) for s, g in known):
                    out.add(file, f"{where} 重層的支援会議の日に {ref} の同意がない", "同意日を直すか支援会議（shien）にする")
    methods = {e["method"] for e in entries}
    if case["stage"] in ("decided", "active", "evaluating") and "jyuso" not in methods:
        out.add(file, f"段階 {case['stage']} なのに重層的支援会議の記録がない", "会議の記録を加えるか段階を戻す")
    if case["stage"] == "closed":
        last = entries[-1]
        if "終結" not in last["title"] + last["content"]:
            out.add(file, "終結の記録がない", "最後の支援経過に終結を書く")
    if case["stage"] == "referred" and not re.search("つなぎ|窓口|移", entries[-1]["title"] + entries[-1]["content"]):
        out.add(file, "つなぎの記録がない", "最後の支援経過につなぎ先を書く")
    if case["stage"] in ("received", "screening", "consent_work", "assessing", "planning") and "jyuso" in methods:
        out.add(file, f"段階 {case['stage']} なのに重層的支援会議の記録がある", "段階を進める")

    for key, text in list(intake.items()) + list(ias.items()):
        if isinstance(text, str):
            check_ages(out, file, key, text, case, received, updated)
    solo = [p for p in case["persons"] if p["ref"] == clients[0]] if len(clients) == 1 else []
    head = re.match(r"(\d{1,3})歳(?!で|から)", ias.get("summary", ""))
    if solo and head and "birth_date" in solo[0]:
        ages = range(age_on(solo[0]["birth_date"], received), age_on(solo[0]["birth_date"], updated) + 1)
        if int(head[1]) not in ages:
            out.add(file, f"summary の「{head[0]}」が生年月日と合わない", f"{ages[0]}歳にする")
    for where, text in texts(case):
        for hit in ANY_PHONE.findall(text):
            if not MOBILE.fullmatch(hit) and not HOME.fullmatch(hit):
                out.add(file, f"{where} の番号 {hit} がつながり得る", "0900-xx-xxxx か 0499-0x-xxxx にする")


def check_households(file, case, out):
    """囲みで描く世帯。最初の支援対象者の世帯は persons の cohabit と household_size にそろえる。"""
    network, persons = case["network"], {p["ref"]: p for p in case["persons"]}
    homes = network.get("households", [])
    people = {n["id"]: n["person"] for n in network.get("nodes", []) if n["kind"] == "person" and "person" in n}
    seen = set()
    for home in homes:
        name, members = home["name"], home["members"]
        if not name.strip() or len(name) > 16:
            out.add(file, f"世帯の名前「{name}」", "1〜16 字にする")
        if len(set(members)) != len(members) or len(members) < 2:
            out.add(file, f"世帯「{name}」の人 {members}", "二人以上を一度ずつ書く")
        for m in members:
            if m not in people:
                out.add(file, f"世帯「{name}」の {m} が図にいない", "network.nodes の人の id にする")
            elif persons[people[m]].get("is_deceased"):
                out.add(file, f"世帯「{name}」の {m} は亡くなっている", "世帯から外す")
            if m in seen:
                out.add(file, f"{m} が二つの世帯にいる", "いま暮らしている世帯だけにする")
            seen.add(m)
    client = next((p["ref"] for p in case["persons"] if p["role"] == "client"), None)
    together = {p["ref"] for p in case["persons"] if p.get("cohabit") and not p.get("is_deceased")} | {client}
    own = next(({people.get(m) for m in h["members"]} for h in homes if client in {people.get(m) for m in h["members"]}), None)
    if own is None and len(together) > 1:
        out.add(file, f"{client} と同居する人 {sorted(together - {client})} の世帯がない", "network.households に加える")
    if own is not None and own != together:
        out.add(file, f"{client} の世帯が cohabit と違う（{sorted(x or '?' for x in own ^ together)}）", "persons の cohabit にそろえる")
    if own is not None and network.get("household_size", len(own)) != len(own):
        out.add(file, f"household_size が {network['household_size']}、世帯の人は {len(own)}", "世帯の人数にそろえる")


def check_set(data, out):
    cases = data["cases"]
    if len(cases) < 40:
        out.add("cases/", f"事案が {len(cases)} 件", "40 件以上にする")
    kinds = {c["constellation"] for c in cases.values()}
    if len(kinds) < 15:
        out.add("cases/", f"事案の型が {len(kinds)} 種", "15 種以上にする")
    months = Counter((c["received_on"].year, c["received_on"].month) for c in cases.values())
    y, mo = FIRST_MONTH
    while (y, mo) <= LAST_MONTH:
        if not months[(y, mo)]:
            out.add("cases/", f"{y}年{mo}月の受付がない", "その月に受け付けた事案を加える")
        y, mo = (y, mo + 1) if mo < 12 else (y + 1, 1)
    for month in months:
        if not FIRST_MONTH <= month <= LAST_MONTH:
            out.add("cases/", f"{month[0]}年{month[1]}月の受付がある", "期間の中に移す")
    ordered = sorted(cases.items(), key=lambda x: x[1]["case_no"])
    for (_, a), (file, b) in zip(ordered, ordered[1:]):
        if a["case_no"] == b["case_no"]:
            out.add(file, f"事案番号 {b['case_no']} が重なっている", "別の番号にする")
        if a["received_on"] > b["received_on"]:
            out.add(file, f"事案番号 {b['case_no']} の順と受付日の順が違う", "番号か受付日を直す")
    seen = defaultdict(set)
    for file, case in cases.items():
        for _, text in prose(case):
            for s in sentences(text):
                seen[s].add(file)
    for s, files in sorted(seen.items()):
        if len(files) > 2:
            out.add(sorted(files)[2], f"文「{s}」が {len(files)} 事案にある", "別の言い方にする")


def check_transcripts(data, out):
    files = data["transcripts"]
    counts = {}
    for file, text in files.items():
        if file.endswith(".vtt"):
            if not text.startswith("WEBVTT"):
                out.add(file, "先頭が WEBVTT でない", "WEBVTT で始める")
            counts["vtt"] = text.count(" --> ")
        elif file.endswith(".json"):
            whole = json.loads(text)
            counts["json"] = len(whole["segments"])
            if "".join(s["text"] for s in whole["segments"]) != whole["text"]:
                out.add(file, "text と segments がそろわない", "segments をつないだものを text にする")
            ends = [(s["start"], s["end"]) for s in whole["segments"]]
            if any(a >= b for a, b in ends) or any(p[1] > q[0] for p, q in zip(ends, ends[1:])):
                out.add(file, "時刻が逆", "start < end、前の end ≦ 次の start にする")
        elif file.endswith(".txt"):
            counts["txt"] = len(re.findall(r"(?m)^話者\d+ \d{2}:\d{2}$", text))
    for kind in ("vtt", "json", "txt"):
        if not 30 <= counts.get(kind, 0) <= 60:
            out.add("transcripts/", f"{kind} の発言が {counts.get(kind, 0)}", "30〜60 にする")


def check(data):
    out = Report()
    check_municipality(data, out)
    for file, case in data["cases"].items():
        check_case(file, case, data, out)
    check_set(data, out)
    check_transcripts(data, out)
    return out


def self_test(data):
    """写しを一つずつ壊し、その場所の指摘が増えることを見る。"""
    base = set(check(data))
    main = "cases/2026-0147-yamamoto-8050.toml"

    def person(d, ref):
        return next(p for p in d["cases"][main]["persons"] if p["ref"] == ref)

    def code(d):
        d["cases"][main]["assessment"]["issues"][0] = "nosuch"

    def plan_code(d):
        d["cases"]["cases/2025-0031-nagasawa-saimu.toml"]["plans"][0]["items"][0]["progress"] = "nosuchstep"

    def plan_required(d):
        del d["cases"]["cases/2025-0031-nagasawa-saimu.toml"]["plans"][0]["policy"]

    def digit(d):
        d["municipality"]["code"] = "129993"

    def too_early(d):
        d["cases"][main]["progress"][0]["performed_at"] = dt.datetime(2026, 10, 1, 9, 0)

    def wrong_age(d):
        d["cases"][main]["progress"][0]["content"] += "山本 健一さん（61歳）とのこと。"

    def left_staff(d):
        entry = d["cases"][main]["progress"][0]
        entry["staff"], entry["agency"] = "endo", "higashi-houkatsu"

    def repeated(d):
        for file in list(d["cases"])[:3]:
            d["cases"][file]["progress"][0]["content"] += "これは三つの事案にある同じ文である。"

    def real_phone(d):
        person(d, "kenichi")["phone_mobile"] = "090-1234-5678"

    def leak(d):
        d["cases"][main]["assessment"]["summary"] += "長女は桐の葉町に住む。"

    def empty_month(d):
        for file in [f for f, c in d["cases"].items() if (c["received_on"].year, c["received_on"].month) == (2025, 8)]:
            del d["cases"][file]

    def grade(d):
        person(d, "ren")["affiliation"] = "小学3年"

    def reopened(d):
        file = next(f for f, c in d["cases"].items() if c["stage"] == "closed")
        del d["cases"][file]["closed_on"]

    def no_consent(d):
        file = next(f for f, c in d["cases"].items() if c["stage"] == "active" and any(e["method"] == "jyuso" for e in c["progress"]))
        for c in d["cases"][file]["consents"]:
            c["status"] = "unconfirmed"

    def single(d):
        for a in d["municipality"]["accounts"]:
            a["memberships"] = a["memberships"][:1]

    def stranger(d):
        d["cases"][main]["network"]["households"][0]["members"].append("takashi")

    def homeless(d):
        del d["cases"][main]["network"]["households"]

    def dead(d):
        d["cases"][main]["network"]["households"][1]["members"].append("shigeru")

    breaks = [
        (plan_code, "プランの符号", "nosuchstep"), (plan_required, "プランの必須項目", "policy"),
        (code, "存在しない符号", "nosuch"), (digit, "検査数字", "検査数字"), (too_early, "受付前の記録", "受付前"),
        (wrong_age, "年齢", "61歳"), (left_staff, "異動後の職員", "記録できない"), (repeated, "同じ文", "三つの事案にある"),
        (real_phone, "実在し得る電話", "090-1234-5678"), (leak, "住所秘匿の漏れ", "桐の葉町"),
        (empty_month, "受付のない月", "2025年8月"), (grade, "学年", "小学3年"), (reopened, "終結日なし", "closed_on"),
        (no_consent, "同意のない重層的支援会議", "同意がない"), (single, "兼務", "所属が二つ"),
        (stranger, "同居でない人の世帯", "cohabit と違う"), (homeless, "同居の世帯なし", "世帯がない"), (dead, "故人の世帯", "亡くなっている"),
    ]
    failed = 0
    for breaker, name, expected in breaks:
        broken = copy.deepcopy(data)
        breaker(broken)
        found = [x for x in check(broken) if x not in base and expected in x]
        print(f"{'見つけた' if found else '見逃した'}: {name}" + (f" — {found[0]}" if found else ""))
        failed += not found
    print(f"{len(breaks) - failed}/{len(breaks)} 通りの壊し方を見つけた")
    return failed


def main(argv):
    if argv not in ([], ["--self-test"]):
        print("使い方: check.py [--self-test]", file=sys.stderr)
        return 2
    data = load()
    if argv:
        return 1 if self_test(data) else 0
    problems = check(data)
    for line in problems:
        print(line)
    cases = data["cases"].values()
    entries = sum(len(c["progress"]) for c in cases)
    people = sum(len(c["persons"]) for c in cases)
    kinds = len({c["constellation"] for c in cases})
    print(f"事案 {len(data['cases'])}、型 {kinds}、人 {people}、支援経過 {entries}、機関 {len(data['municipality']['agencies'])}、"
          f"職員 {len(data['municipality']['accounts'])}、文字起こし {len(data['transcripts'])}、直すところ {len(problems)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
