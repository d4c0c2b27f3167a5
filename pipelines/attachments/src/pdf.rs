//! PDF: the letters that pages show, in the order in which they are drawn.
//!
//! Letters are told from codes by the font's own table (`ToUnicode`), by the predefined Japanese
//! encodings (ISO 32000-1, 9.7.5.2), or by the one-byte encodings. What has none of them is not told.

use std::collections::BTreeMap;
use std::rc::Rc;

use encoding_rs::{EUC_JP, SHIFT_JIS, UTF_16BE};
use lopdf::content::Content;
use lopdf::{Dictionary, Document, Encoding, Error, LoadOptions, Object, ObjectId, Stream};

use crate::{Reading, layout::Text};

/// Most bytes of one stream, and of the contents of one page, unpacked.
const MAX_STREAM: usize = 32 << 20;
/// Most bytes of all contents that are looked at, unpacked.
const MAX_CONTENTS: usize = 192 << 20;
/// Most pages.
const MAX_PAGES: usize = 5_000;
/// Forms within forms.
const MAX_DEPTH: usize = 5;
/// Most things that are drawn.
const MAX_OPERATIONS: usize = 10_000_000;
/// States of the page that are kept at once.
const MAX_STATES: usize = 64;
/// A step back of so many thousandths of the letter's size parts two words.
const GAP: f32 = -250.0;
/// Two letters whose feet are so far apart stand on different lines.
const SAME_LINE: f32 = 2.0;

pub(crate) fn read(bytes: &[u8]) -> Reading {
    let options = LoadOptions::with_max_decompressed_size(MAX_STREAM);
    let document = match Document::load_mem_with_options(bytes, options) {
        Ok(document) => document,
        Err(Error::InvalidPassword | Error::Decryption(_)) => return Reading::Locked,
        Err(_) => return Reading::Unreadable,
    };
    if document.is_encrypted() && document.encryption_state.is_none() {
        return Reading::Locked;
    }
    let mut pages = Pages {
        document: &document,
        fonts: BTreeMap::new(),
        text: Text::default(),
        operations: 0,
        contents: 0,
    };
    let mut any = false;
    for page in document.page_iter().take(MAX_PAGES) {
        any = true;
        if pages.text.is_full() {
            break;
        }
        if pages.page(page).is_none() {
            return Reading::Unreadable;
        }
        pages.text.line();
    }
    if any {
        pages.text.finish_pages()
    } else {
        Reading::Unreadable
    }
}

/// How codes become letters.
enum Letters<'a> {
    Table(Encoding<'a>),
    Multibyte(&'static encoding_rs::Encoding),
    /// JIS X 0208 in two bytes of seven bits.
    Jis,
    Unknown,
}

impl<'a> Letters<'a> {
    fn of(document: &'a Document, font: &'a Dictionary) -> Self {
        if let Some(table) = table_of(document, font) {
            return Self::Table(table);
        }
        let encoding = font.get_deref(b"Encoding", document);
        let name = encoding.and_then(Object::as_name).unwrap_or_default();
        if let Some(letters) = predefined(name) {
            return letters;
        }
        let composite = font
            .get_deref(b"Subtype", document)
            .and_then(Object::as_name);
        if composite.is_ok_and(|subtype| subtype == b"Type0") {
            return Self::Unknown;
        }
        match font.get_font_encoding_with_limit(document, MAX_STREAM) {
            Ok(encoding @ Encoding::OneByteEncoding(_)) => Self::Table(encoding),
            // Letters with names of their own are few, and mostly signs.
            _ => Self::Table(Encoding::SimpleEncoding(b"WinAnsiEncoding")),
        }
    }

    fn read(&self, codes: &[u8], out: &mut Text) {
        match self {
            Self::Table(table) => {
                if let Ok(text) = table.bytes_to_string(codes) {
                    out.push(&text);
                }
            }
            Self::Multibyte(encoding) => {
                out.push(&encoding.decode_without_bom_handling(codes).0);
            }
            Self::Jis => {
                let high: Vec<u8> = codes.iter().map(|code| code | 0x80).collect();
                out.push(&EUC_JP.decode_without_bom_handling(&high).0);
            }
            Self::Unknown => {}
        }
    }
}

/// The table that a font brings along.
fn table_of(document: &Document, font: &Dictionary) -> Option<Encoding<'static>> {
    let table = font.get(b"ToUnicode").ok()?;
    let mut alone = Dictionary::new();
    alone.set("Type", Object::Name(b"Font".to_vec()));
    alone.set("Encoding", Object::Name(b"Identity-H".to_vec()));
    alone.set("ToUnicode", table.clone());
    match alone.get_font_encoding_with_limit(document, MAX_STREAM) {
        Ok(Encoding::UnicodeMapEncoding(map)) => Some(Encoding::UnicodeMapEncoding(map)),
        _ => None,
    }
}

/// The encodings for Japanese that need no table: `90ms-RKSJ-H`, `UniJIS-UTF16-V`, `EUC-H`, `H` ….
fn predefined(name: &[u8]) -> Option<Letters<'static>> {
    let name = std::str::from_utf8(name).ok()?;
    let way = name.strip_suffix("-H").or_else(|| name.strip_suffix("-V"));
    match way {
        None if matches!(name, "H" | "V") => Some(Letters::Jis),
        Some("EUC") => Some(Letters::Multibyte(EUC_JP)),
        Some(way) if way.ends_with("RKSJ") => Some(Letters::Multibyte(SHIFT_JIS)),
        Some(way)
            if way.starts_with("UniJIS") && !way.contains("UTF8") && !way.contains("UTF32") =>
        {
            Some(Letters::Multibyte(UTF_16BE))
        }
        _ => None,
    }
}

/// `[a b c d e f]` of PDF: x' = a·x + c·y + e, y' = b·x + d·y + f.
#[derive(Clone, Copy)]
struct Matrix([f32; 6]);

impl Matrix {
    const UNIT: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    fn of(operands: &[Object]) -> Option<Self> {
        let mut out = [0.0; 6];
        if operands.len() != out.len() {
            return None;
        }
        for (slot, operand) in out.iter_mut().zip(operands) {
            *slot = operand.as_float().ok()?;
        }
        Some(Self(out))
    }

    /// First `self`, then `after`.
    fn then(self, after: Self) -> Self {
        let ([a, b, c, d, e, f], [p, q, r, s, t, u]) = (self.0, after.0);
        Self([
            a * p + b * r,
            a * q + b * s,
            c * p + d * r,
            c * q + d * s,
            e * p + f * r + t,
            e * q + f * s + u,
        ])
    }

    fn moved(self, x: f32, y: f32) -> Self {
        Self([1.0, 0.0, 0.0, 1.0, x, y]).then(self)
    }

    fn place(self) -> (f32, f32) {
        (self.0[4], self.0[5])
    }
}

/// What is drawn with.
#[derive(Clone, Copy)]
struct State {
    page: Matrix,
    line: Matrix,
    leading: f32,
}

struct Pages<'a> {
    document: &'a Document,
    /// By the object; fonts that stand in the resources themselves are read each time.
    fonts: BTreeMap<ObjectId, Rc<Letters<'a>>>,
    text: Text,
    operations: usize,
    contents: usize,
}

impl<'a> Pages<'a> {
    /// `None`: more than is taken into memory, or broken.
    fn page(&mut self, page: ObjectId) -> Option<()> {
        let contents = self
            .document
            .get_page_content_with_limit(page, MAX_STREAM)
            .ok()?;
        let (own, shared) = self.document.get_page_resources(page).ok()?;
        let shared = shared
            .iter()
            .filter_map(|id| self.document.get_dictionary(*id).ok());
        let resources: Vec<&Dictionary> = own.into_iter().chain(shared).collect();
        self.draw(&contents, &resources, Matrix::UNIT, 0)
    }

    fn draw(
        &mut self,
        contents: &[u8],
        resources: &[&'a Dictionary],
        page: Matrix,
        depth: usize,
    ) -> Option<()> {
        self.contents += contents.len();
        if self.contents > MAX_CONTENTS {
            return None;
        }
        let mut state = State {
            page,
            line: Matrix::UNIT,
            leading: 0.0,
        };
        let mut kept = Vec::new();
        let mut letters = Rc::new(Letters::Unknown);
        let mut last = None;
        for operation in Content::decode_iter(contents) {
            self.operations += 1;
            if self.operations > MAX_OPERATIONS {
                return None;
            }
            if self.text.is_full() {
                return Some(());
            }
            // What is broken from here on is not shown by anybody.
            let Ok(operation) = operation else { break };
            let operands = operation.operands.as_slice();
            let number = |at: usize| operands.get(at).and_then(|one| one.as_float().ok());
            match operation.operator.as_str() {
                "q" if kept.len() < MAX_STATES => kept.push(state),
                "Q" => state = kept.pop().unwrap_or(state),
                "cm" => {
                    if let Some(matrix) = Matrix::of(operands) {
                        state.page = matrix.then(state.page);
                    }
                }
                "BT" => state.line = Matrix::UNIT,
                "Tm" => state.line = Matrix::of(operands).unwrap_or(state.line),
                "TL" => state.leading = number(0).unwrap_or(0.0),
                operator @ ("Td" | "TD") => {
                    let (x, y) = (number(0).unwrap_or(0.0), number(1).unwrap_or(0.0));
                    if operator == "TD" {
                        state.leading = -y;
                    }
                    state.line = state.line.moved(x, y);
                }
                "T*" => state.line = state.line.moved(0.0, -state.leading),
                "Tf" => {
                    if let Some(Object::Name(name)) = operands.first() {
                        letters = self.font(resources, name);
                    }
                }
                operator @ ("Tj" | "TJ" | "'" | "\"") => {
                    if matches!(operator, "'" | "\"") {
                        state.line = state.line.moved(0.0, -state.leading);
                    }
                    let place = state.line.then(state.page).place();
                    self.begin(&mut last, place);
                    match operands.last() {
                        Some(Object::String(codes, _)) => letters.read(codes, &mut self.text),
                        Some(Object::Array(parts)) => self.show(&letters, parts),
                        _ => {}
                    }
                }
                "Do" if depth < MAX_DEPTH => {
                    if let Some(Object::Name(name)) = operands.first() {
                        self.form(resources, name, state.page, depth)?;
                    }
                }
                _ => {}
            }
        }
        Some(())
    }

    fn show(&mut self, letters: &Letters<'a>, parts: &[Object]) {
        for part in parts {
            match part {
                Object::String(codes, _) => letters.read(codes, &mut self.text),
                part if part.as_float().is_ok_and(|step| step < GAP) => self.text.gap(),
                _ => {}
            }
        }
    }

    /// Letters begin at a place: on the line of the former ones, or on another.
    fn begin(&mut self, last: &mut Option<(f32, f32)>, place: (f32, f32)) {
        match *last {
            Some(before) if before == place => {}
            Some((_, y)) if (y - place.1).abs() <= SAME_LINE => self.text.gap(),
            _ => self.text.line(),
        }
        *last = Some(place);
    }

    fn named(&self, resources: &[&'a Dictionary], kind: &[u8], name: &[u8]) -> Option<&'a Object> {
        resources.iter().find_map(|resources| {
            let of_kind = resources.get_deref(kind, self.document).ok()?;
            of_kind.as_dict().ok()?.get(name).ok()
        })
    }

    fn font(&mut self, resources: &[&'a Dictionary], name: &[u8]) -> Rc<Letters<'a>> {
        let unknown = || Rc::new(Letters::Unknown);
        let Some(object) = self.named(resources, b"Font", name) else {
            return unknown();
        };
        let Ok((id, object)) = self.document.dereference(object) else {
            return unknown();
        };
        if let Some(known) = id.and_then(|id| self.fonts.get(&id)) {
            return Rc::clone(known);
        }
        let letters = object.as_dict().map_or_else(
            |_| unknown(),
            |font| Rc::new(Letters::of(self.document, font)),
        );
        if let Some(id) = id {
            self.fonts.insert(id, Rc::clone(&letters));
        }
        letters
    }

    /// A form that is drawn in the page.
    fn form(
        &mut self,
        resources: &[&'a Dictionary],
        name: &[u8],
        page: Matrix,
        depth: usize,
    ) -> Option<()> {
        let Some(object) = self.named(resources, b"XObject", name) else {
            return Some(());
        };
        let found = self.document.dereference(object);
        let Ok((_, Object::Stream(form))) = found else {
            return Some(());
        };
        let is_form = form.dict.get(b"Subtype").and_then(Object::as_name);
        if is_form.is_ok_and(|kind| kind == b"Form") {
            let contents = plain(form)?;
            let own = form.dict.get_deref(b"Resources", self.document);
            let own = own.and_then(Object::as_dict).ok();
            let resources: Vec<&Dictionary> =
                own.into_iter().chain(resources.iter().copied()).collect();
            let matrix = form.dict.get(b"Matrix").and_then(Object::as_array);
            let matrix = matrix.ok().and_then(|matrix| Matrix::of(matrix));
            let page = matrix.unwrap_or(Matrix::UNIT).then(page);
            self.draw(&contents, &resources, page, depth + 1)?;
            self.text.line();
        }
        Some(())
    }
}

fn plain(stream: &Stream) -> Option<Vec<u8>> {
    stream.get_plain_content_with_limit(MAX_STREAM).ok()
}

#[cfg(test)]
mod tests {
    use lopdf::{EncryptionState, EncryptionVersion, Permissions, dictionary};

    use super::*;

    fn stream(entries: &str, content: &[u8]) -> Vec<u8> {
        let mut out = format!("<<{entries}/Length {}>>stream\n", content.len()).into_bytes();
        out.extend_from_slice(content);
        out.extend_from_slice(b"\nendstream");
        out
    }

    /// A file of these objects, numbered from 1; the first is the catalogue.
    fn file(objects: &[Vec<u8>]) -> Vec<u8> {
        let mut out = b"%PDF-1.7\n".to_vec();
        let mut places = Vec::new();
        for (at, object) in objects.iter().enumerate() {
            places.push(out.len());
            out.extend_from_slice(format!("{} 0 obj\n", at + 1).as_bytes());
            out.extend_from_slice(object);
            out.extend_from_slice(b"\nendobj\n");
        }
        let table = out.len();
        out.extend_from_slice(
            format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).as_bytes(),
        );
        for place in places {
            out.extend_from_slice(format!("{place:010} 00000 n \n").as_bytes());
        }
        out.extend_from_slice(
            format!(
                "trailer<</Size {}/Root 1 0 R>>\nstartxref\n{table}\n%%EOF\n",
                objects.len() + 1
            )
            .as_bytes(),
        );
        out
    }

    /// One page with these contents; `more` begins with object 5, the font `F`.
    fn page(contents: Vec<u8>, more: &[Vec<u8>]) -> Vec<u8> {
        let mut objects = vec![
            b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
            b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F 5 0 R>>/XObject<</X 6 0 R>>>>>>".to_vec(),
            contents,
        ];
        objects.extend_from_slice(more);
        file(&objects)
    }

    fn font(encoding: &str) -> Vec<u8> {
        format!("<</Type/Font/Subtype/Type0/BaseFont/M/Encoding/{encoding}>>").into_bytes()
    }

    fn shown(codes: &[u8]) -> Vec<u8> {
        let codes: String = codes.iter().map(|byte| format!("{byte:02x}")).collect();
        stream("", format!("BT /F 10 Tf <{codes}> Tj ET").as_bytes())
    }

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    #[test]
    fn japanese_is_read_by_its_encodings() {
        let sjis = SHIFT_JIS.encode("鶸谷さんの診断書").0.into_owned();
        let euc = EUC_JP.encode("鶸谷さんの診断書").0.into_owned();
        let jis: Vec<u8> = euc.iter().map(|byte| byte & 0x7f).collect();
        for (encoding, codes) in [
            ("90ms-RKSJ-H", sjis.clone()),
            ("90msp-RKSJ-V", sjis),
            ("EUC-H", euc),
            ("V", jis),
            ("UniJIS-UTF16-H", utf16("鶸谷さんの診断書")),
            ("UniJIS-UCS2-HW-H", utf16("鶸谷さんの診断書")),
        ] {
            let bytes = page(shown(&codes), &[font(encoding)]);
            assert_eq!(
                read(&bytes),
                Reading::Text("鶸谷さんの診断書".to_owned()),
                "{encoding}"
            );
        }
        // Codes that stand for nothing known.
        assert_eq!(
            read(&page(shown(&[0, 1, 0, 2]), &[font("Identity-H")])),
            Reading::NoText
        );
    }

    #[test]
    fn the_table_of_the_font_and_the_places_of_the_letters_are_used() {
        let table = stream(
            "",
            b"/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CMapName /A def\n/CMapType 2 def\n\
              1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n2 beginbfchar\n<0001> <91D1>\n<0002> <92AD>\nendbfchar\n\
              1 beginbfrange\n<0010> <0012> <3042>\nendbfrange\nendcmap\nCMapName currentdict /CMap defineresource pop\nend\nend",
        );
        let contents = stream(
            "",
            b"q 1 0 0 1 50 700 cm BT /F 10 Tf 1 0 0 1 0 0 Tm [<0001> -20 <0002> -900 <0010>] TJ 0 -14 Td <0011> Tj 30 0 Td <0012> Tj ET Q /X Do",
        );
        let font =
            b"<</Type/Font/Subtype/Type0/BaseFont/M/Encoding/Identity-H/ToUnicode 7 0 R>>".to_vec();
        let form = stream(
            "/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Matrix[1 0 0 1 0 100]",
            b"BT /F 10 Tf <00010002> Tj ET",
        );
        let bytes = page(contents, &[font, form, table]);
        assert_eq!(
            read(&bytes),
            Reading::Text("金銭 あ\nぃ い\n金銭".to_owned())
        );
    }

    #[test]
    fn a_page_that_is_a_picture_has_no_text() {
        let picture = stream(
            "/Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8",
            b"x",
        );
        let bytes = page(stream("", b"q /X Do Q"), &[font("H"), picture]);
        assert_eq!(read(&bytes), Reading::NoText);
    }

    #[test]
    fn what_a_password_keeps_is_locked() {
        let codes = SHIFT_JIS.encode("鍵の中").0.into_owned();
        let bytes = page(shown(&codes), &[font("90ms-RKSJ-H")]);
        for (user, expected) in [
            ("鍵", Reading::Locked),
            // Everybody may open it; only changing it needs the other password.
            ("", Reading::Text("鍵の中".to_owned())),
        ] {
            let mut document = Document::load_mem(&bytes).unwrap();
            let id = Object::string_literal("0123456789abcdef");
            document.trailer.set("ID", vec![id.clone(), id]);
            let state = EncryptionState::try_from(EncryptionVersion::V2 {
                document: &document,
                owner_password: "owner",
                user_password: if user.is_empty() { "" } else { "secret" },
                key_length: 128,
                permissions: Permissions::all(),
            })
            .unwrap();
            document.encrypt(&state).unwrap();
            let mut locked = Vec::new();
            document.save_to(&mut locked).unwrap();
            assert_eq!(read(&locked), expected);
        }
    }

    #[test]
    fn what_unpacks_to_much_more_is_not_read() {
        let mut content = Stream::new(dictionary! {}, b"BT ET ".repeat(10 << 20));
        content.compress().unwrap();
        let contents = stream("/Filter/FlateDecode", &content.content);
        assert!(contents.len() < 1 << 20, "{}", contents.len());
        assert_eq!(read(&page(contents, &[font("H")])), Reading::Unreadable);
    }

    #[test]
    fn loops_and_nesting_come_to_an_end() {
        // A form that draws itself, several times.
        let itself = stream(
            "/Type/XObject/Subtype/Form/Resources<</XObject<</X 6 0 R>>>>",
            b"/X Do /X Do /X Do",
        );
        let bytes = page(stream("", b"/X Do"), &[font("H"), itself]);
        assert_eq!(read(&bytes), Reading::NoText);
        // Pages that are their own parents, and brackets without end.
        let circle = file(&[
            b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
            b"<</Type/Pages/Kids[2 0 R 2 0 R]/Parent 2 0 R/Count 2>>".to_vec(),
        ]);
        assert_eq!(read(&circle), Reading::Unreadable);
        let deep = page(stream("", &b"[".repeat(1 << 20)), &[font("H")]);
        assert_eq!(read(&deep), Reading::NoText);
        let mut deep = b"%PDF-1.7\n1 0 obj\n".to_vec();
        deep.extend_from_slice(&b"<</A".repeat(1 << 18));
        assert_eq!(read(&deep), Reading::Unreadable);
        assert_eq!(read(b"%PDF-1.7\n"), Reading::Unreadable);
    }

    proptest::proptest! {
        /// Whatever is broken: an answer, and no panic.
        #[test]
        fn broken_files_do_no_harm(at in proptest::prelude::any::<proptest::sample::Index>(), to in proptest::prelude::any::<u8>()) {
            let codes = SHIFT_JIS.encode("診断書").0.into_owned();
            let mut bytes = page(shown(&codes), &[font("90ms-RKSJ-H")]);
            let at = at.index(bytes.len());
            bytes[at] = to;
            let _ = read(&bytes);
            let _ = read(&bytes[..at]);
        }
    }
}
