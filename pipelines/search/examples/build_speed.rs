//! How fast an index is made, and in how much memory: `build_speed RECORDS [FOLDER]`. Records of about
//! 200 characters made from a few hundred sentences, every fifth with a masked text. For figures build
//! it optimised.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use search::full_text::{FullText, Masked, Side, Sort, Unit, Wanted};
use search::{Analyzer, Search};

const WHO: [&str; 8] = [
    "佐藤", "鈴木", "高橋", "田中", "渡辺", "伊藤", "山本", "中村",
];
const WHERE: [&str; 6] = [
    "自宅",
    "窓口",
    "病院",
    "学校",
    "包括支援センター",
    "社会福祉協議会",
];
const WHAT: [&str; 9] = [
    "家賃の滞納について話し、分割の相談をした。",
    "夜に眠れず、朝は起きられないとのことだった。",
    "母の介護の疲れが強く、短期入所の利用を勧めた。",
    "就労支援の見学に同行し、来週から通うことになった。",
    "電話に出ないため、手紙を置いて帰った。",
    "通帳と印鑑を預かる話は断り、成年後見の制度を説明した。",
    "子どもが学校を休みがちで、担任と情報を共有した。",
    "主治医は退院を来月の中旬と見ている。",
    "食料の支援を受け取り、しばらくは足りると言う。",
];

struct Dice(u64);

impl Dice {
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        from[(self.0 >> 33) as usize % from.len()]
    }
}

/// Resident memory in MiB, as the kernel says.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

fn record(dice: &mut Dice, number: usize) -> Unit {
    let mut full = format!("{}さんと{}で面談。", dice.pick(&WHO), dice.pick(&WHERE));
    while full.chars().count() < 190 {
        full.push_str(dice.pick(&WHAT));
    }
    let masked = (number.is_multiple_of(5)).then(|| Masked {
        text: full.replace(dice.pick(&WHO), "［…］"),
        basis: "r/1".into(),
    });
    Unit {
        key: format!("record:{number:012}"),
        case: format!("{:010}", number / 10),
        kind: "record",
        day: 20_000 + (number % 700) as i64,
        stamp: "a0|-".into(),
        values: false,
        full,
        masked,
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let records: usize = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let folder = arguments.next().map_or_else(
        || std::env::temp_dir().join("musubi-build-speed"),
        PathBuf::from,
    );
    let _absent = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let analyzer = Analyzer::load(&models::Assets::locate(None)?.dictionary()?)?;
    let next = AtomicU64::new(1);
    let random = Arc::new(move || u128::from(next.fetch_add(1, Ordering::Relaxed)).to_be_bytes());
    let index = FullText::open(&folder, &[7; 32], random, analyzer)?;
    let mut writer = index.writer()?;
    let mut dice = Dice(42);
    let began = Instant::now();
    let numbers: Vec<usize> = (0..records).collect();
    for chunk in numbers.chunks(2_000) {
        let units: Vec<Unit> = chunk
            .iter()
            .map(|number| record(&mut dice, *number))
            .collect();
        let prepared = std::thread::scope(|scope| {
            let parts: Vec<_> = units
                .chunks(units.len().div_ceil(2))
                .map(|part| {
                    scope.spawn(|| {
                        part.iter()
                            .map(|unit| index.prepare(unit))
                            .collect::<Result<Vec<_>, _>>()
                    })
                })
                .collect();
            parts
                .into_iter()
                .map(|part| part.join().expect("no panic"))
                .collect::<Result<Vec<_>, _>>()
        })?;
        for unit in prepared.into_iter().flatten() {
            writer.put(unit)?;
        }
    }
    writer.commit("")?;
    writer.close()?;
    index.refresh()?;
    let seconds = began.elapsed().as_secs_f64();
    let bytes: u64 = std::fs::read_dir(&folder)?
        .filter_map(|file| Some(file.ok()?.metadata().ok()?.len()))
        .sum();
    println!(
        "{records} records in {seconds:.1} s: {:.0} a second; {} MiB on disk, at most {} MiB in memory",
        records as f64 / seconds,
        bytes >> 20,
        resident()
    );
    for text in [
        "家賃の滞納",
        "佐藤 成年後見",
        "さとう",
        "起きる",
        "見学 手紙 食料",
    ] {
        let search = Search::parse(index.analyzer(), text)??;
        let began = Instant::now();
        let (found, total) = index.search(&Wanted {
            search: &search,
            side: Side::Full,
            kinds: &["record"],
            cases: None,
            without: &std::collections::HashSet::new(),
            named: &[],
            by_name_alone: false,
            days: (None, None),
            sort: Sort::Relevance,
            limit: 1_000,
        })?;
        println!(
            "{text}: {total} ({} taken) in {:.1} ms",
            found.len(),
            began.elapsed().as_secs_f64() * 1e3
        );
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
