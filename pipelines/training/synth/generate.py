"""Documents from skeletons: choose a genre, expand it, add the genre's noise."""

import random
import zlib

from . import grammar, noise
from .document import Document

VERSION = 2


def aside(rng: random.Random, document: Document) -> None:
    """An everyday sentence or two at the end, by preference with a word that is a name further up."""
    document.text(rng.choice(["\n", "\n", "\n・", "\n※", "\n備考　", "　"]))
    said = set()
    for _ in range(rng.choice([1, 1, 2])):
        document.slot("word")
        if (last := document.pieces.pop()).text not in said:
            document.pieces.append(last)
            said.add(last.text)
            document.close()


def make(seed: int, number: int, genre: str | None = None) -> dict:
    """Document `number` of the corpus with this seed; independent of every other document."""
    rng = random.Random(zlib.crc32(f"{VERSION}/{seed}/{number}".encode()) << 20 | number)
    names = grammar.genres()
    weights = [float(grammar.load(n).settings.get("weight", 1)) for n in names]
    chosen = rng.choices(names, weights)[0]
    chosen = genre or chosen
    skeleton = grammar.load(chosen)
    document = Document(rng, chosen, skeleton.settings)
    grammar.Expander(rng, skeleton, document).rule("doc")
    if "speech" not in skeleton.settings.get("noise", "") and rng.random() < 0.3:
        aside(rng, document)
    buffer = noise.Buffer(document.pieces)
    kinds = skeleton.settings.get("noise", "").split()
    if "ocr" in kinds:
        noise.ocr(rng, buffer)
    if "speech" in kinds:
        noise.speech(rng, buffer)
    if "wrap" in kinds and rng.random() < 0.4:
        noise.wrap(rng, buffer)
    if "speech" not in kinds and rng.random() < 0.12:
        noise.ascii_marks(rng, buffer)
    if rng.random() < 0.015:
        noise.half_kana(rng, buffer)
    text, spans, traps = buffer.result()
    return {"id": f"synth-{seed}-{number:06d}", "genre": chosen, "text": text, "spans": spans, "traps": traps}
