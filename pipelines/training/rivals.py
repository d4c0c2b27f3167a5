"""Runs another masking program over notes, in an environment of its own (requirements-rivals.txt).

    python rivals.py --rival ginza|presidio|kakushi|namemask --out FILE.jsonl NOTES.jsonl …

Writes {"id", "spans": [{"start", "end", "label"}]}, offsets in code points of the note as it stands.
One JSON line on standard error: characters per second (elapsed, and of processor time; loading left
out) and the highest resident memory of the process (loading included).

Each runs as its documentation describes for Japanese, with every detector on that it brings and that
needs neither network nor a register. What it finds beyond our labels (amounts, dates, countries' names
…) is left out, so that nothing counts as over-masking that a user would simply switch off.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

from storage import read_jsonl, write_jsonl

Spans = Iterable[tuple[int, int, str]]
Rival = Callable[[str], Spans]
"""A note → (start, end, our label), in any order, overlapping or not."""

# Extended named entities (Sekine) as GiNZA's model names them. Left out: dates, ages, quantities,
# products, events, titles, countries and public authorities, which have to stay readable.
ENE = {
    "PERSON": "Person Family Name_Other",
    "ADDRESS": "Province City County GPE_Other Domestic_Region Region_Other Geological_Region_Other Location_Other "
    "Postal_Address Station Railroad Road Bridge Tunnel Port Airport Car_Stop Park Mountain Island River Lake Sea "
    "Bay Spa Canal Water_Route Line_Other",
    "FACILITY": "Facility_Other Facility_Part GOE_Other Public_Institution School Research_Institute Museum Theater "
    "Zoo Amusement_Park Sports_Facility Worship_Place Archaeological_Place_Other Company Company_Group Corporation_Other "
    "Organization_Other Show_Organization Pro_Sports_Organization Sports_Organization_Other",
    "PHONE": "Phone_Number",
    "EMAIL": "Email",
    "ID_NUMBER": "ID_Number",
    "OTHER_ID": "URL",
}
ENE_LABELS = {name: label for label, names in ENE.items() for name in names.split()}

PRESIDIO_LABELS = {
    "PERSON": "PERSON",
    "LOCATION": "ADDRESS",
    "ORGANIZATION": "FACILITY",
    "PHONE_NUMBER": "PHONE",
    "EMAIL_ADDRESS": "EMAIL",
    "ID": "ID_NUMBER",
    "CREDIT_CARD": "ACCOUNT",
    "IBAN_CODE": "ACCOUNT",
    "URL": "OTHER_ID",
    "IP_ADDRESS": "OTHER_ID",
}
# The same table in Presidio's own names, for its NerModelConfiguration.
PRESIDIO_NAMES = {
    "PERSON": "PERSON",
    "ADDRESS": "LOCATION",
    "FACILITY": "ORGANIZATION",
    "PHONE": "PHONE_NUMBER",
    "EMAIL": "EMAIL_ADDRESS",
    "ID_NUMBER": "ID",
    "OTHER_ID": "URL",
}

KAKUSHI_LABELS = {
    "PERSON": "PERSON",
    "LOCATION": "ADDRESS",
    "ORG": "FACILITY",
    "PHONE": "PHONE",
    "EMAIL": "EMAIL",
    "POSTAL": "POSTAL_CODE",
    "MY_NUMBER": "ID_NUMBER",
    "LICENSE": "ID_NUMBER",
    "CONTRACT": "ID_NUMBER",
    "CARD": "ACCOUNT",
    "URL": "OTHER_ID",
    "IP": "OTHER_ID",
}

NAMEMASK_LABELS = {
    "PERSON": "PERSON",
    "LOCATION": "ADDRESS",
    "ADDRESS": "ADDRESS",
    "ORGANIZATION": "FACILITY",
    "PHONE": "PHONE",
    "EMAIL": "EMAIL",
    "MYNUMBER": "ID_NUMBER",
}


def ginza() -> Rival:
    """GiNZA's named entities, masked by the table above; no rules beside them."""
    import spacy

    nlp = spacy.load("ja_ginza")

    def run(text: str) -> Spans:
        doc = nlp(text)
        return [(e.start_char, e.end_char, ENE_LABELS[e.label_]) for e in doc.ents if e.label_ in ENE_LABELS]

    return run


def presidio() -> Rival:
    """Presidio on GiNZA's model, with its recognisers of any language, telephone numbers of Japan included."""
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
    from presidio_analyzer.predefined_recognizers import CreditCardRecognizer, PhoneRecognizer

    # Its check of mail addresses would fetch the list of suffixes; the package has one.
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    mapping = {name: PRESIDIO_NAMES[label] for name, label in ENE_LABELS.items()}
    engine = SpacyNlpEngine(
        models=[{"lang_code": "ja", "model_name": "ja_ginza"}],
        ner_model_configuration=NerModelConfiguration(model_to_presidio_entity_mapping=mapping),
    )
    engine.load()
    others = set(engine.nlp["ja"].get_pipe("ner").labels) - set(mapping)
    engine.ner_model_configuration.labels_to_ignore = sorted(others)
    registry = RecognizerRegistry(supported_languages=["ja"])
    registry.load_predefined_recognizers(languages=["ja"], nlp_engine=engine)
    registry.remove_recognizer("PhoneRecognizer")
    # The others stay on: they find card and account numbers too.
    regions = ("JP", *PhoneRecognizer.DEFAULT_SUPPORTED_REGIONS)
    registry.add_recognizer(PhoneRecognizer(supported_language="ja", supported_regions=regions))
    registry.add_recognizer(CreditCardRecognizer(supported_language="ja"))
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["ja"])

    def run(text: str) -> Spans:
        found = analyzer.analyze(text, language="ja")
        return [(r.start, r.end, PRESIDIO_LABELS[r.entity_type]) for r in found if r.entity_type in PRESIDIO_LABELS]

    return run


def kakushi() -> Rival:
    """kakushi with GiNZA (`kakushi[ner]`); its offsets are those of its normalised text."""
    from kakushi import find_all, is_ner_available, normalize
    from kakushi.normalizer import _HYPHEN_BETWEEN_ALNUM

    if not is_ner_available():
        raise SystemExit("kakushi found no GiNZA: pip install -r requirements-rivals.txt")

    def run(text: str) -> Spans:
        normalised, places = folded(text)
        parts, folded_places, done = [], [], 0
        for match in _HYPHEN_BETWEEN_ALNUM.finditer(normalised):
            parts += normalised[done : match.start()], "-"
            folded_places += places[done : match.start()]
            folded_places.append((places[match.start()][0], places[match.end() - 1][1]))
            done = match.end()
        parts.append(normalised[done:])
        folded_places += places[done:]
        if "".join(parts) != normalize(text):
            raise SystemExit("kakushi normalises otherwise than expected")
        return [
            (folded_places[m.start][0], folded_places[m.end - 1][1], KAKUSHI_LABELS[m.entity_type.value])
            for m in find_all(text)
            if m.entity_type.value in KAKUSHI_LABELS
        ]

    return run


def namemask() -> Rival:
    """namemask with its address layer and GiNZA (`mask --address`), without a register of clients."""
    from namemask.config import Config
    from namemask.pipeline import build_default_pipeline, run_pipeline

    detectors = build_default_pipeline(Config(), use_ner=True, use_address=True)
    # Without GiNZA it would go on in silence.
    tagger = next(d for d in detectors if d.name == "ner")
    tagger.detect("準備")
    if tagger._nlp is None:
        raise SystemExit("namemask found no GiNZA: pip install -r requirements-rivals.txt")

    def run(text: str) -> Spans:
        return [(s.start, s.end, NAMEMASK_LABELS[s.type]) for s in run_pipeline(text, detectors)]

    return run


RIVALS = {"ginza": ginza, "presidio": presidio, "kakushi": kakushi, "namemask": namemask}


def folded(text: str) -> tuple[str, list[tuple[int, int]]]:
    """NFKC of `text`, and for each of its characters where in `text` it comes from."""
    parts: list[str] = []
    places: list[tuple[int, int]] = []
    start = 0
    while start < len(text):
        end = start + 1
        whole = unicodedata.normalize("NFKC", text[start:end])
        # ｶﾞ → ガ: goes on as long as the next character changes what came before it.
        while end < len(text):
            longer = unicodedata.normalize("NFKC", text[start : end + 1])
            if longer == whole + unicodedata.normalize("NFKC", text[end]):
                break
            whole, end = longer, end + 1
        parts.append(whole)
        places += [(start, end)] * len(whole)
        start = end
    return "".join(parts), places


def spans_json(found: Spans) -> list[dict]:
    return [{"start": start, "end": end, "label": label} for start, end, label in sorted(set(found))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rival", choices=RIVALS, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("notes", type=Path, nargs="+")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    notes = [note for path in arguments.notes for note in read_jsonl(path)]
    rival = RIVALS[arguments.rival]()
    rival("準備のための文です。")
    began, began_processor = time.perf_counter(), time.process_time()
    rows = [{"id": note["id"], "spans": spans_json(rival(note["text"]))} for note in notes]
    elapsed, processor = time.perf_counter() - began, time.process_time() - began_processor
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    write_jsonl(arguments.out, rows)
    characters = sum(len(note["text"]) for note in notes)
    # Kilobytes, but on macOS bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    figures = {
        "rival": arguments.rival,
        "notes": len(notes),
        "characters": characters,
        "characters_per_second": round(characters / elapsed),
        "characters_per_cpu_second": round(characters / processor),
        "peak_rss_bytes": peak,
    }
    print(json.dumps(figures), file=sys.stderr)


if __name__ == "__main__":
    main()
