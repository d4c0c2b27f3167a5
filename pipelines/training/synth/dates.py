"""Birth dates (labelled) and ordinary dates (never labelled), in Japanese and Western notation."""

import datetime as dt
import random

from .places import ZEN, kanji_number

ERAS = ((dt.date(2019, 5, 1), "令和", "R"), (dt.date(1989, 1, 8), "平成", "H"), (dt.date(1926, 12, 25), "昭和", "S"), (dt.date(1912, 7, 30), "大正", "T"))


def era(day: dt.date) -> tuple[str, str, int]:
    for start, long, short in ERAS:
        if day >= start:
            return long, short, day.year - start.year + 1
    return "明治", "M", day.year - 1867


def birth(rng: random.Random, day: dt.date, style: str, short: bool = False) -> tuple[str, str]:
    """(surface without 生, form)."""
    long, letter, y = era(day)
    n = "元" if y == 1 and rng.random() < 0.5 else str(y)
    roll = rng.random()
    if style == "spoken":
        return rng.choice([f"{long}{y}年{day.month}月{day.day}日", f"{long}{kanji_number(y)}年{kanji_number(day.month)}月{kanji_number(day.day)}日", f"{long}{y}年の{day.month}月{day.day}日"]), "wareki_long"
    if short and roll < 0.8:
        return rng.choice([(f"{long}{n}年", "year"), (f"{day.year}年", "year"), (f"{letter}{y}年", "year"), (f"{letter}{y}", "year"), (f"{day.year}", "year"), (f"{long[0]}{y}", "year"), (f"{long}{n}年{day.month}月", "year_month"), (f"{day.month}月{day.day}日", "month_day")])
    if roll < 0.42:
        text, form = f"{long}{n}年{day.month}月{day.day}日", "wareki_long"
    elif roll < 0.66:
        sep = rng.choice([".", ".", "/", "-", "．"])
        text, form = f"{letter}{y}{sep}{day.month}{sep}{day.day}", "wareki_short"
        if rng.random() < 0.15:
            text = f"{letter}{y:02d}{sep}{day.month:02d}{sep}{day.day:02d}"
    elif roll < 0.76:
        text, form = f"{day.year}年{day.month}月{day.day}日", "western_long"
    elif roll < 0.9:
        sep = rng.choice(["/", "-", "."])
        text, form = rng.choice([f"{day.year}{sep}{day.month}{sep}{day.day}", f"{day.year}{sep}{day.month:02d}{sep}{day.day:02d}"]), "western_short"
    elif roll < 0.93:
        text, form = f"{day.year}{day.month:02d}{day.day:02d}", "compact"
    elif roll < 0.96:
        text, form = f"{long}{kanji_number(y)}年{kanji_number(day.month)}月{kanji_number(day.day)}日", "kanji"
    elif roll < 0.98:
        text, form = rng.choice([f"{long[0]}{y}.{day.month}.{day.day}", f"({long}{n}年){day.month}月{day.day}日"[0:0] + f"{long[0]}{y}年{day.month}月{day.day}日"]), "wareki_short"
    else:
        text, form = f"{day.day} {day:%b} {day.year}", "english"
    if style == "full" and rng.random() < 0.8:
        text = text.translate(ZEN)
    return text, form


def split(rng: random.Random, day: dt.date) -> tuple[str, str]:
    """A birth date broken by words or blanks, as spoken or copied from boxes of a form."""
    long, letter, y = era(day)
    k = kanji_number
    return rng.choice([
        f"{long} {y} 年 {day.month} 月 {day.day} 日", f"{long}{y}年の{day.month}月の{day.day}日", f"{long}の{k(y)}年 {k(day.month)}月{k(day.day)}日", f"{letter} {y} . {day.month} . {day.day}", f"{long}{y}、{day.month}月の{day.day}",
        f"{day.year} 年 {day.month} 月 {day.day} 日", f"{day.year}の{day.month}の{day.day}", f"{letter}{y}の{day.month}の{day.day}", f"{long}{k(y)}年、{k(day.month)}月、{k(day.day)}日", f"{letter}{y:02d}{day.month:02d}{day.day:02d}",
        f"{day.year} / {day.month:02d} / {day.day:02d}", f"{long[0]}{y}・{day.month}・{day.day}",
    ]), "split"


def plain(rng: random.Random, day: dt.date, style: str, kind: str = "") -> str:
    """An event date: visit, hearing, entry into a home."""
    long, letter, y = era(day)
    wd = "月火水木金土日"[day.weekday()]
    options = {
        "short": [f"{day.month}/{day.day}", f"{day.month}月{day.day}日", f"{day.month}/{day.day}（{wd}）", f"{day.month}.{day.day}", f"{day.month}/{day.day}({wd})"],
        "long": [f"{long}{y}年{day.month}月{day.day}日", f"{letter}{y}.{day.month}.{day.day}", f"{day.year}年{day.month}月{day.day}日", f"{day.year}/{day.month}/{day.day}", f"{long}{y}年{day.month}月{day.day}日（{wd}）",
                 f"{day.year}-{day.month:02d}-{day.day:02d}", f"{letter}{y}/{day.month}/{day.day}"],
        "month": [f"{long}{y}年{day.month}月", f"{day.year}年{day.month}月", f"{letter}{y}.{day.month}", f"{day.month}月", f"昨年{day.month}月"],
        "year": [f"{long}{y}年", f"{day.year}年", f"{letter}{y}年", f"{long}{y}年度"],
    }
    text = rng.choice(options[kind or rng.choice(["short", "short", "long"])])
    return text.translate(ZEN) if style == "full" and rng.random() < 0.7 else text
