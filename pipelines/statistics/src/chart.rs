//! Charts, drawn by plotters on plain pixel coordinates: the chart types plotters brings place
//! the legend over the bars and know no hatching, which black-and-white prints need.

use std::sync::OnceLock;

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, RGBColor, ShapeStyle, TextStyle, register_font};

use crate::month::{Month, fiscal_year_name};
use crate::table::{By, Table, UNRECORDED};

/// The family as it is written into SVG; the registered font carries the whole list as its name.
pub const FONT_FAMILY: &str = "BIZ UDPGothic, Noto Sans JP, sans-serif";

const INK: RGBColor = RGBColor(0x1a, 0x1a, 0x1a);
const GREY: RGBColor = RGBColor(0x59, 0x59, 0x59);
const RULE: RGBColor = RGBColor(0xcc, 0xcc, 0xcc);
const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
/// More series than this cannot be told apart; the rest is summed up.
const MOST_SERIES: usize = 11;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("グラフ用のフォントを読み込めません。資産フォルダの fonts を入れ直してください")]
    Font,
    #[error("グラフの大きさは横400〜4000、縦300〜4000の範囲で指定してください")]
    Size,
    #[error("グラフを描けませんでした（{0}）")]
    Drawing(String),
}

/// Proof that the Japanese font is registered with plotters.
#[derive(Debug, Clone, Copy)]
pub struct Fonts(());

impl Fonts {
    /// Registers the font for the life of the process; later calls return at once. The bytes are
    /// kept for ever, because plotters asks for `'static`.
    pub fn register(regular: Vec<u8>, bold: Option<Vec<u8>>) -> Result<Self, Error> {
        static DONE: OnceLock<bool> = OnceLock::new();
        let add = |style: FontStyle, bytes: Vec<u8>| {
            register_font(FONT_FAMILY, style, Box::leak(bytes.into_boxed_slice())).is_ok()
        };
        let done = *DONE.get_or_init(|| {
            add(FontStyle::Normal, regular) && bold.is_none_or(|bytes| add(FontStyle::Bold, bytes))
        });
        if done { Ok(Self(())) } else { Err(Error::Font) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Svg,
    Png,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartKind {
    /// One bar a month, stacked by category.
    StackedMonths,
    /// One horizontal bar per category, summed over the period, largest first.
    Totals,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MonthLabel {
    /// 2026年4月
    Western,
    /// R8.4
    Era,
}

/// What to draw. Sizes in CSS pixels; PNG comes at twice the resolution.
#[derive(Debug, Clone, Copy)]
pub struct Chart {
    pub kind: ChartKind,
    pub format: Format,
    pub month_label: MonthLabel,
    pub width: u32,
    pub height: u32,
}

impl Chart {
    /// Stacked months for routes, horizontal totals for issues: what each is best read as.
    #[must_use]
    pub fn usual(by: By, format: Format) -> Self {
        let kind = match by {
            By::Route => ChartKind::StackedMonths,
            By::Issue => ChartKind::Totals,
        };
        Self {
            kind,
            format,
            month_label: MonthLabel::Era,
            width: 1200,
            height: 720,
        }
    }
}

/// Draws the table. `Totals` grows downwards when there are many categories.
pub fn draw(table: &Table, chart: &Chart, _fonts: Fonts) -> Result<Vec<u8>, Error> {
    if !(400..=4000).contains(&chart.width) || !(300..=4000).contains(&chart.height) {
        return Err(Error::Size);
    }
    let (width, height) = (chart.width, needed_height(table, chart));
    match chart.format {
        Format::Svg => {
            let mut text = String::new();
            {
                let area = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
                paint(
                    table,
                    chart,
                    &Canvas {
                        area: &area,
                        scale: 1.0,
                        width: f64::from(width),
                        height: f64::from(height),
                    },
                )?;
                area.present().map_err(|e| Error::Drawing(e.to_string()))?;
            }
            Ok(accessible(&text, table).into_bytes())
        }
        Format::Png => {
            let (w, h) = (width * 2, height * 2);
            let mut pixels = vec![255_u8; w as usize * h as usize * 3];
            {
                let area = BitMapBackend::with_buffer(&mut pixels, (w, h)).into_drawing_area();
                paint(
                    table,
                    chart,
                    &Canvas {
                        area: &area,
                        scale: 2.0,
                        width: f64::from(width),
                        height: f64::from(height),
                    },
                )?;
                area.present().map_err(|e| Error::Drawing(e.to_string()))?;
            }
            encode_png(&pixels, w, h)
        }
    }
}

fn encode_png(pixels: &[u8], width: u32, height: u32) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder
        .write_header()
        .map_err(|e| Error::Drawing(e.to_string()))?;
    writer
        .write_image_data(pixels)
        .map_err(|e| Error::Drawing(e.to_string()))?;
    writer.finish().map_err(|e| Error::Drawing(e.to_string()))?;
    Ok(bytes)
}

/// plotters writes no title: a screen reader needs one.
fn accessible(svg: &str, table: &Table) -> String {
    let title = heading(table);
    match (svg.find("<svg "), svg.find('>')) {
        (Some(start), Some(_)) => {
            let open = svg[start..].find('>').map_or(start, |at| start + at);
            format!(
                "{} role=\"img\"><title>{}</title>{}",
                &svg[..open],
                escape(&title),
                &svg[open + 1..]
            )
        }
        _ => svg.to_owned(),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn heading(table: &Table) -> String {
    let mut text = format!("{}（{}）", table.definition.title, table.definition.suffix);
    if !table.definition.verified {
        text.push_str("［未検証］");
    }
    text
}

// ---------------------------------------------------------------------------------------------
// painting

#[derive(Clone, Copy)]
enum Pattern {
    Solid,
    Rising,
    Falling,
    Level,
    Upright,
    Grid,
    Dots,
    Blank,
}

struct Look {
    fill: RGBColor,
    stroke: RGBColor,
    pattern: Pattern,
}

/// Dark and light, plain and hatched in turn: neighbours differ in a black-and-white print too.
const LOOKS: [(u32, u32, Pattern); 12] = [
    (0x0017c1, 0x0017c1, Pattern::Solid),
    (0xdce6ff, 0x0017c1, Pattern::Rising),
    (0x7a7a7a, 0x7a7a7a, Pattern::Solid),
    (0xfff3c8, 0x7a5a00, Pattern::Falling),
    (0x0d5c38, 0x0d5c38, Pattern::Solid),
    (0xd9f2e4, 0x0d5c38, Pattern::Level),
    (0xa84b00, 0xa84b00, Pattern::Solid),
    (0xfde4dc, 0xa81212, Pattern::Upright),
    (0x55208f, 0x55208f, Pattern::Solid),
    (0xefe4fb, 0x55208f, Pattern::Grid),
    (0xffffff, 0x333333, Pattern::Dots),
    (0xffffff, 0x333333, Pattern::Blank),
];

fn look(index: usize) -> Look {
    let (fill, stroke, pattern) = LOOKS[index.min(LOOKS.len() - 1)];
    Look {
        fill: rgb(fill),
        stroke: rgb(stroke),
        pattern,
    }
}

fn rgb(hex: u32) -> RGBColor {
    let [_, r, g, b] = hex.to_be_bytes();
    RGBColor(r, g, b)
}

struct Canvas<'a, B: DrawingBackend> {
    area: &'a DrawingArea<B, Shift>,
    scale: f64,
    width: f64,
    height: f64,
}

impl<B: DrawingBackend> Canvas<'_, B> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "pixel positions are at most a few thousand"
    )]
    fn at(&self, x: f64, y: f64) -> (i32, i32) {
        (
            (x * self.scale).round() as i32,
            (y * self.scale).round() as i32,
        )
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "stroke widths are small and positive"
    )]
    fn stroke(&self, colour: RGBColor, width: f64) -> ShapeStyle {
        colour.stroke_width((width * self.scale).round().max(1.0) as u32)
    }

    fn line(&self, points: &[(f64, f64)], colour: RGBColor, width: f64) -> Result<(), Error> {
        let points: Vec<(i32, i32)> = points.iter().map(|p| self.at(p.0, p.1)).collect();
        self.area
            .draw(&PathElement::new(points, self.stroke(colour, width)))
            .map_err(|e| Error::Drawing(e.to_string()))
    }

    fn fill(&self, area: [f64; 4], colour: RGBColor) -> Result<(), Error> {
        let [left, top, right, bottom] = area;
        self.area
            .draw(&Rectangle::new(
                [self.at(left, top), self.at(right, bottom)],
                colour.filled(),
            ))
            .map_err(|e| Error::Drawing(e.to_string()))
    }

    /// A filled, hatched and framed box.
    fn block(&self, area: [f64; 4], look: &Look) -> Result<(), Error> {
        let [left, top, right, bottom] = area;
        self.fill(area, look.fill)?;
        let (w, h) = (right - left, bottom - top);
        let gap = 6.0;
        match look.pattern {
            Pattern::Solid | Pattern::Blank => {}
            Pattern::Rising | Pattern::Falling => {
                let mut offset = gap;
                while offset < w + h {
                    // the diagonal x + y = offset, cut to the box
                    let a = (offset.min(w), (offset - w).max(0.0));
                    let b = ((offset - h).max(0.0), offset.min(h));
                    let flip = |p: (f64, f64)| match look.pattern {
                        Pattern::Falling => (right - p.0, top + p.1),
                        _ => (left + p.0, top + p.1),
                    };
                    self.line(&[flip(a), flip(b)], look.stroke, 1.0)?;
                    offset += gap;
                }
            }
            Pattern::Level | Pattern::Upright | Pattern::Grid => {
                if matches!(look.pattern, Pattern::Level | Pattern::Grid) {
                    let mut y = top + gap * 0.7;
                    while y < bottom {
                        self.line(&[(left, y), (right, y)], look.stroke, 1.0)?;
                        y += gap;
                    }
                }
                if matches!(look.pattern, Pattern::Upright | Pattern::Grid) {
                    let mut x = left + gap * 0.7;
                    while x < right {
                        self.line(&[(x, top), (x, bottom)], look.stroke, 1.0)?;
                        x += gap;
                    }
                }
            }
            Pattern::Dots => {
                let mut y = top + 3.0;
                while y < bottom - 2.0 {
                    let mut x = left + 3.0;
                    while x < right - 2.0 {
                        self.fill([x, y, x + 1.5, y + 1.5], look.stroke)?;
                        x += 5.0;
                    }
                    y += 5.0;
                }
            }
        }
        self.line(
            &[
                (left, top),
                (right, top),
                (right, bottom),
                (left, bottom),
                (left, top),
            ],
            INK,
            1.0,
        )
    }

    fn style(
        &self,
        size: f64,
        bold: bool,
        colour: RGBColor,
        h: HPos,
        v: VPos,
    ) -> TextStyle<'static> {
        let style = if bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        TextStyle {
            font: (FONT_FAMILY, size * self.scale, style).into_font(),
            color: colour.to_backend_color(),
            pos: Pos::new(h, v),
        }
    }

    fn text(&self, text: &str, x: f64, y: f64, style: &TextStyle<'static>) -> Result<(), Error> {
        self.area
            .draw(&Text::new(text.to_owned(), self.at(x, y), style.clone()))
            .map_err(|e| Error::Drawing(e.to_string()))
    }

    fn left(&self, text: &str, x: f64, y: f64, size: f64, colour: RGBColor) -> Result<(), Error> {
        self.text(
            text,
            x,
            y,
            &self.style(size, false, colour, HPos::Left, VPos::Center),
        )
    }

    /// Width of a text in CSS pixels. Advances of a proportional Japanese face, slightly generous.
    fn measure(text: &str, size: f64) -> f64 {
        text.chars()
            .map(|c| match c {
                'i' | 'l' | 'I' | '.' | ',' | ':' | ' ' => 0.36,
                c if c.is_ascii() => 0.62,
                '\u{ff61}'..='\u{ff9f}' => 0.6,
                _ => 1.0,
            })
            .sum::<f64>()
            * size
    }
}

struct Series {
    label: String,
    counts: Vec<u32>,
    look: Look,
}

/// The categories that occur, in the list's order; beyond the limit the smallest are summed up.
fn series(table: &Table) -> Vec<Series> {
    let months: Vec<Month> = table.period.months().collect();
    let mut used: Vec<(&str, &str, u32)> = table
        .categories
        .iter()
        .map(|c| {
            (
                c.code.as_str(),
                c.label.as_str(),
                table.category_total(&c.code),
            )
        })
        .filter(|c| c.2 > 0)
        .collect();
    let mut rest: Vec<&str> = Vec::new();
    if used.len() > MOST_SERIES {
        let mut by_size: Vec<&(&str, &str, u32)> =
            used.iter().filter(|c| c.0 != UNRECORDED).collect();
        by_size.sort_by_key(|c| std::cmp::Reverse(c.2));
        rest = by_size[MOST_SERIES - 2..].iter().map(|c| c.0).collect();
        used.retain(|c| !rest.contains(&c.0));
    }
    let counts = |codes: &[&str]| {
        months
            .iter()
            .map(|m| codes.iter().map(|code| table.count(*m, code)).sum())
            .collect::<Vec<u32>>()
    };
    let mut found: Vec<Series> = used
        .iter()
        .filter(|c| c.0 != UNRECORDED)
        .enumerate()
        .map(|(at, c)| Series {
            label: c.1.to_owned(),
            counts: counts(&[c.0]),
            look: look(at),
        })
        .collect();
    if !rest.is_empty() {
        found.push(Series {
            label: format!("そのほか{}項目", rest.len()),
            counts: counts(&rest),
            look: look(10),
        });
    }
    if let Some(c) = used.iter().find(|c| c.0 == UNRECORDED) {
        found.push(Series {
            label: c.1.to_owned(),
            counts: counts(&[c.0]),
            look: look(11),
        });
    }
    found
}

fn totals(table: &Table) -> Vec<(String, u32)> {
    let mut bars: Vec<(bool, String, u32)> = table
        .categories
        .iter()
        .map(|c| {
            (
                c.code == UNRECORDED,
                c.label.clone(),
                table.category_total(&c.code),
            )
        })
        .filter(|bar| bar.2 > 0)
        .collect();
    bars.sort_by_key(|bar| (bar.0, std::cmp::Reverse(bar.2)));
    bars.into_iter().map(|bar| (bar.1, bar.2)).collect()
}

const HEAD: f64 = 92.0;
const BAR: f64 = 30.0;

fn foot(table: &Table) -> f64 {
    24.0 + 20.0 * f64::from(u32::try_from(table.definition.lines.len()).unwrap_or(8))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a chart's height fits"
)]
fn needed_height(table: &Table, chart: &Chart) -> u32 {
    match chart.kind {
        ChartKind::StackedMonths => chart.height,
        ChartKind::Totals => {
            let bars = totals(table).len();
            let need = HEAD + foot(table) + 56.0 + BAR * bars as f64;
            if bars == 0 {
                chart.height.min(420)
            } else {
                (need as u32).clamp(300, 4000)
            }
        }
    }
}

fn paint<B: DrawingBackend>(
    table: &Table,
    chart: &Chart,
    canvas: &Canvas<'_, B>,
) -> Result<(), Error> {
    canvas.fill([0.0, 0.0, canvas.width, canvas.height], PAPER)?;
    canvas.text(
        &heading(table),
        28.0,
        30.0,
        &canvas.style(22.0, true, INK, HPos::Left, VPos::Center),
    )?;
    let subtitle = format!(
        "{}〜{}　実事案数 {}件",
        table.period.from.western(),
        table.period.to.western(),
        table.total_cases
    );
    canvas.left(&subtitle, 28.0, 60.0, 15.0, GREY)?;
    let mut y = canvas.height - foot(table) + 22.0;
    for line in &table.definition.lines {
        canvas.left(line, 28.0, y, 13.0, GREY)?;
        y += 20.0;
    }
    let area = [28.0, HEAD, canvas.width - 28.0, canvas.height - foot(table)];
    if table.rows.iter().all(|row| row.count == 0) {
        return empty(table, canvas, area);
    }
    match chart.kind {
        ChartKind::StackedMonths => stacked(table, chart, canvas, area),
        ChartKind::Totals => horizontal(table, canvas, area),
    }
}

fn empty<B: DrawingBackend>(
    table: &Table,
    canvas: &Canvas<'_, B>,
    area: [f64; 4],
) -> Result<(), Error> {
    let [left, top, right, bottom] = area;
    canvas.line(
        &[
            (left, top),
            (right, top),
            (right, bottom),
            (left, bottom),
            (left, top),
        ],
        RULE,
        1.0,
    )?;
    let middle = ((left + right) / 2.0, (top + bottom) / 2.0);
    let big = canvas.style(18.0, true, INK, HPos::Center, VPos::Center);
    let small = canvas.style(14.0, false, GREY, HPos::Center, VPos::Center);
    canvas.text(
        &format!(
            "この期間の{}は0件です",
            table.definition.title.trim_end_matches("件数")
        ),
        middle.0,
        middle.1 - 14.0,
        &big,
    )?;
    canvas.text(
        "期間を変えるか、受付日の入力を確かめてください。",
        middle.0,
        middle.1 + 16.0,
        &small,
    )
}

/// Step of an axis with whole numbers: 1, 2, 5, 10, 20, 50 …, at most six steps.
fn axis_step(most: u32) -> u32 {
    let mut power = 1_u32;
    loop {
        for factor in [1, 2, 5] {
            let step = factor * power;
            if step.saturating_mul(6) >= most {
                return step;
            }
        }
        power = power.saturating_mul(10);
        if power >= 100_000_000 {
            return power;
        }
    }
}

fn stacked<B: DrawingBackend>(
    table: &Table,
    chart: &Chart,
    canvas: &Canvas<'_, B>,
    area: [f64; 4],
) -> Result<(), Error> {
    let series = series(table);
    let months: Vec<Month> = table.period.months().collect();
    // Legend to the right of the plot, in the order of the stack, labels wrapped.
    let wrap_at = 15;
    let legend: Vec<Vec<String>> = series.iter().map(|s| wrap(&s.label, wrap_at)).collect();
    let widest = legend
        .iter()
        .flatten()
        .map(|line| Canvas::<B>::measure(line, 13.0))
        .fold(80.0, f64::max);
    let legend_left = area[2] - widest - 58.0;
    let (left, right) = (area[0] + 40.0, legend_left - 28.0);
    let (top, bottom) = (area[1] + 20.0, area[3] - 58.0);

    let sums: Vec<u32> = (0..months.len())
        .map(|at| series.iter().map(|s| s.counts[at]).sum())
        .collect();
    let most = sums.iter().copied().max().unwrap_or(1).max(1);
    let step = axis_step(most);
    let scale_top = f64::from(most.div_ceil(step) * step);
    let y_of = |count: f64| bottom - (bottom - top) * count / scale_top;

    let unit = canvas.style(13.0, false, GREY, HPos::Right, VPos::Center);
    canvas.text(
        &format!("（{}）", table.definition.unit),
        left + 6.0,
        area[1] - 2.0,
        &unit,
    )?;
    let tick = canvas.style(13.0, false, INK, HPos::Right, VPos::Center);
    let mut value = 0;
    while f64::from(value) <= scale_top {
        let y = y_of(f64::from(value));
        canvas.line(
            &[(left, y), (right, y)],
            if value == 0 { INK } else { RULE },
            1.0,
        )?;
        canvas.text(&value.to_string(), left - 8.0, y, &tick)?;
        value += step;
    }

    #[expect(clippy::cast_precision_loss, reason = "at most 120 months")]
    let slot = (right - left) / months.len() as f64;
    let bar = (slot * 0.68).clamp(3.0, 72.0);
    #[expect(clippy::cast_precision_loss, reason = "at most 120 months")]
    let middle_of = |at: usize| left + slot * (at as f64 + 0.5);
    for (at, _) in months.iter().enumerate() {
        let x = middle_of(at);
        let mut below = 0_u32;
        for one in &series {
            let count = one.counts[at];
            if count == 0 {
                continue;
            }
            let (y0, y1) = (y_of(f64::from(below + count)), y_of(f64::from(below)));
            canvas.block([x - bar / 2.0, y0, x + bar / 2.0, y1], &one.look)?;
            let number = count.to_string();
            if y1 - y0 >= 15.0 && bar >= Canvas::<B>::measure(&number, 12.0) + 6.0 {
                let y = (y0 + y1) / 2.0;
                let solid = matches!(one.look.pattern, Pattern::Solid);
                if !solid {
                    let half = Canvas::<B>::measure(&number, 12.0) / 2.0 + 2.0;
                    canvas.fill([x - half, y - 7.5, x + half, y + 6.5], PAPER)?;
                }
                let colour = if solid { PAPER } else { INK };
                canvas.text(
                    &number,
                    x,
                    y + 1.0,
                    &canvas.style(12.0, false, colour, HPos::Center, VPos::Center),
                )?;
            }
            below += count;
        }
        if slot >= 20.0 {
            let colour = if sums[at] == 0 { GREY } else { INK };
            let style = canvas.style(13.0, true, colour, HPos::Center, VPos::Bottom);
            canvas.text(
                &sums[at].to_string(),
                x,
                y_of(f64::from(sums[at])) - 4.0,
                &style,
            )?;
        }
    }

    month_axis(chart, canvas, &months, slot, left, bottom)?;

    // The legend reads like the stack: top of the bar first.
    let mut y = top;
    for (one, lines) in series.iter().zip(&legend).rev() {
        canvas.block([legend_left, y, legend_left + 26.0, y + 17.0], &one.look)?;
        for (at, line) in lines.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a label has few lines")]
            canvas.left(
                line,
                legend_left + 34.0,
                y + 9.0 + 17.0 * at as f64,
                13.0,
                INK,
            )?;
        }
        #[expect(clippy::cast_precision_loss, reason = "a label has few lines")]
        let height = 17.0 * lines.len() as f64;
        y += height + 11.0;
    }
    if table.by == By::Issue {
        canvas.left("棒の上の数は延べ件数", legend_left, y + 8.0, 12.0, GREY)?;
    }
    Ok(())
}

/// Months under the bars and the 年度 they belong to under the months.
fn month_axis<B: DrawingBackend>(
    chart: &Chart,
    canvas: &Canvas<'_, B>,
    months: &[Month],
    slot: f64,
    left: f64,
    bottom: f64,
) -> Result<(), Error> {
    let style = canvas.style(13.0, false, INK, HPos::Center, VPos::Center);
    #[expect(clippy::cast_precision_loss, reason = "at most 120 months")]
    let x_of = |at: usize| left + slot * at as f64;
    for (at, month) in months.iter().enumerate() {
        let long = match chart.month_label {
            MonthLabel::Western => month.western(),
            MonthLabel::Era => month.era(),
        };
        let label = if slot >= Canvas::<B>::measure(&long, 13.0) + 6.0 {
            long
        } else if slot >= 32.0 {
            format!("{}月", month.month())
        } else if slot >= 18.0 || matches!(month.month(), 4 | 10) {
            month.month().to_string()
        } else {
            continue;
        };
        canvas.text(&label, x_of(at) + slot / 2.0, bottom + 15.0, &style)?;
    }
    let mut start = 0;
    while start < months.len() {
        let year = months[start].fiscal_year();
        let end = months[start..]
            .iter()
            .take_while(|m| m.fiscal_year() == year)
            .count()
            + start;
        let (x0, x1) = (x_of(start) + 4.0, x_of(end) - 4.0);
        canvas.line(
            &[
                (x0, bottom + 28.0),
                (x0, bottom + 33.0),
                (x1, bottom + 33.0),
                (x1, bottom + 28.0),
            ],
            GREY,
            1.0,
        )?;
        let name = fiscal_year_name(year);
        let full = format!("{name}（{year}年度）");
        let label = if x1 - x0 >= Canvas::<B>::measure(&full, 13.0) {
            full
        } else {
            name
        };
        let label = if x1 - x0 >= Canvas::<B>::measure(&label, 13.0) - 8.0 {
            label
        } else {
            format!("{}", year % 100)
        };
        canvas.text(&label, f64::midpoint(x0, x1), bottom + 45.0, &style)?;
        start = end;
    }
    Ok(())
}

fn horizontal<B: DrawingBackend>(
    table: &Table,
    canvas: &Canvas<'_, B>,
    area: [f64; 4],
) -> Result<(), Error> {
    let bars = totals(table);
    let widest = bars
        .iter()
        .map(|bar| Canvas::<B>::measure(&bar.0, 14.0))
        .fold(60.0, f64::max);
    let label_width = widest.min((area[2] - area[0]) * 0.42);
    let (left, right) = (area[0] + label_width + 14.0, area[2] - 120.0);
    let (top, bottom) = (area[1] + 10.0, area[3] - 34.0);
    let most = bars.iter().map(|bar| bar.1).max().unwrap_or(1).max(1);
    let step = axis_step(most);
    let scale_top = f64::from(most.div_ceil(step) * step);
    let x_of = |count: f64| left + (right - left) * count / scale_top;
    let tick = canvas.style(13.0, false, INK, HPos::Center, VPos::Center);
    let mut value = 0;
    while f64::from(value) <= scale_top {
        let x = x_of(f64::from(value));
        canvas.line(
            &[(x, top), (x, bottom)],
            if value == 0 { INK } else { RULE },
            1.0,
        )?;
        canvas.text(&value.to_string(), x, bottom + 15.0, &tick)?;
        value += step;
    }
    let unit = canvas.style(13.0, false, GREY, HPos::Left, VPos::Center);
    canvas.text(
        &format!("（{}）", table.definition.unit),
        right + 16.0,
        bottom + 15.0,
        &unit,
    )?;
    #[expect(clippy::cast_precision_loss, reason = "a few dozen bars")]
    let slot = (bottom - top) / bars.len() as f64;
    let label_style = canvas.style(14.0, false, INK, HPos::Right, VPos::Center);
    let number = canvas.style(14.0, true, INK, HPos::Left, VPos::Center);
    for (at, (label, count)) in bars.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a few dozen bars")]
        let y = top + slot * (at as f64 + 0.5);
        let half = (slot * 0.36).min(12.0);
        let unrecorded = table
            .categories
            .iter()
            .any(|c| c.code == UNRECORDED && c.label == *label);
        canvas.block(
            [left, y - half, x_of(f64::from(*count)), y + half],
            &look(if unrecorded { 11 } else { 0 }),
        )?;
        canvas.text(
            &shorten::<B>(label, 14.0, label_width),
            left - 10.0,
            y,
            &label_style,
        )?;
        let share = if table.total_cases == 0 {
            0.0
        } else {
            f64::from(*count) * 100.0 / f64::from(table.total_cases)
        };
        let figure = format!("{count}（{share:.0}％）");
        let x = x_of(f64::from(*count)) + 8.0;
        canvas.fill(
            [
                x - 3.0,
                y - 9.0,
                x + Canvas::<B>::measure(&figure, 13.0),
                y + 9.0,
            ],
            PAPER,
        )?;
        canvas.text(&figure, x, y, &number)?;
    }
    Ok(())
}

fn shorten<B: DrawingBackend>(label: &str, size: f64, width: f64) -> String {
    if Canvas::<B>::measure(label, size) <= width + 1.0 {
        return label.to_owned();
    }
    let mut text = String::new();
    for c in label.chars() {
        if Canvas::<B>::measure(&text, size) + 2.0 * size > width {
            break;
        }
        text.push(c);
    }
    text.push('…');
    text
}

/// Lines of at most `width` characters, three at most.
fn wrap(label: &str, width: usize) -> Vec<String> {
    let chars: Vec<char> = label.chars().collect();
    let mut lines: Vec<String> = chars.chunks(width).map(|c| c.iter().collect()).collect();
    if lines.len() > 3 {
        lines.truncate(3);
        if let Some(last) = lines.last_mut() {
            last.pop();
            last.push('…');
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_whole_steps_and_at_most_six() {
        for most in [1, 2, 3, 6, 7, 11, 12, 30, 31, 59, 99, 1000, 123_456] {
            let step = axis_step(most);
            assert!(most.div_ceil(step) <= 6, "{most} {step}");
        }
        assert_eq!(axis_step(6), 1);
        assert_eq!(axis_step(7), 2);
    }

    #[test]
    fn long_labels_are_wrapped() {
        assert_eq!(wrap("あいうえお", 2), ["あい", "うえ", "お"]);
        assert_eq!(wrap("あいうえおかき", 2), ["あい", "うえ", "お…"]);
    }
}
