//! Draws whole charts with the Japanese font of the assets directory.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use jiff::ToSpan;
use statistics::{
    By, CaseFact, Category, Chart, ChartKind, Fonts, Format, MonthLabel, Period, Table,
    count_new_consultations, draw,
};

fn fonts() -> Fonts {
    let assets = std::env::var_os("MUSUBI_ASSETS").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/assets"),
        std::path::PathBuf::from,
    );
    let read = |name: &str| std::fs::read(assets.join("fonts").join(name));
    let regular = read("BIZUDPGothic-Regular.ttf")
        .expect("the setup script puts the font into the assets directory");
    Fonts::register(regular, read("BIZUDPGothic-Bold.ttf").ok()).unwrap()
}

fn categories(labels: &[(&str, &str)]) -> Vec<Category> {
    labels
        .iter()
        .map(|(code, label)| Category {
            code: (*code).into(),
            label: (*label).into(),
        })
        .collect()
}

fn routes() -> Vec<Category> {
    categories(&[
        ("self_visit", "本人自ら連絡（来所）"),
        ("self_tel", "本人自ら連絡（電話・メール等）"),
        ("family_visit", "家族・知人からの連絡（来所）"),
        ("family_tel", "家族・知人からの連絡（電話・メール等）"),
        (
            "outreach",
            "アウトリーチで把握（多機関協働事業者等が訪問して勧めた）",
        ),
        ("houkatsu", "包括的相談支援事業者からのつなぎ"),
        ("agency", "その他の関係機関・関係者からの紹介"),
        ("meeting", "支援会議・庁内会議等で把握"),
        ("community", "民生委員・児童委員、地域住民等からの情報"),
        ("other", "その他"),
    ])
}

fn issues() -> Vec<Category> {
    categories(&[
        ("illness", "病気"),
        ("injury", "けが"),
        ("disability_cert", "障害（手帳有）"),
        ("disability_sus", "障害（疑い）"),
        ("suicide", "自死企図"),
        (
            "mental",
            "その他メンタルヘルスの課題（うつ・不眠・不安・依存症・適応障害など）",
        ),
        ("housing_unstable", "住まい不安定"),
        ("poverty", "経済的困窮"),
        ("debt", "（多重・過重）債務"),
        ("budget", "家計管理の課題"),
        ("job_find", "就職活動困難"),
        ("isolation", "社会的孤立（ニート・ひきこもり等を含む）"),
        ("family", "家族関係・家族の問題"),
        ("nursing", "介護"),
        ("truancy", "不登校"),
        ("single_parent", "ひとり親"),
    ])
}

/// Made-up counts: a fixed pattern over the days of the period.
fn facts(days: i32) -> Vec<CaseFact> {
    let (routes, issues) = (routes(), issues());
    let first: jiff::civil::Date = "2025-06-02".parse().unwrap();
    (0..days)
        .filter(|day| day % 3 != 1 && !(60..90).contains(day))
        .map(|day| {
            let n = (day * day / 7 + day) as usize;
            CaseFact {
                received_on: first.checked_add(day.days()).unwrap(),
                route: (!n.is_multiple_of(23))
                    .then(|| routes[(n * n / 3 + n) % routes.len()].code.clone()),
                issues: (0..n % 4)
                    .map(|i| issues[(n + i * i * 5) % issues.len()].code.clone())
                    .collect(),
            }
        })
        .collect()
}

fn table(by: By, facts: &[CaseFact], from: &str, to: &str) -> Table {
    let period = Period::new(from.parse().unwrap(), to.parse().unwrap()).unwrap();
    count_new_consultations(
        facts,
        period,
        by,
        &if by == By::Route { routes() } else { issues() },
    )
}

/// Writes the picture beside the build when asked, so that a person can look at it.
fn keep(name: &str, bytes: &[u8]) {
    if let Some(folder) = std::env::var_os("MUSUBI_PICTURES") {
        std::fs::write(std::path::Path::new(&folder).join(name), bytes).unwrap();
    }
}

#[test]
fn every_chart_draws_in_both_formats() {
    let fonts = fonts();
    let all = facts(530);
    for (name, by, kind, label, facts, from, to) in [
        (
            "route",
            By::Route,
            ChartKind::StackedMonths,
            MonthLabel::Era,
            &all[..],
            "2025-06",
            "2026-11",
        ),
        (
            "route-half",
            By::Route,
            ChartKind::StackedMonths,
            MonthLabel::Western,
            &all[..],
            "2026-04",
            "2026-09",
        ),
        (
            "route-decade",
            By::Route,
            ChartKind::StackedMonths,
            MonthLabel::Era,
            &all[..],
            "2018-04",
            "2027-03",
        ),
        (
            "issue-stacked",
            By::Issue,
            ChartKind::StackedMonths,
            MonthLabel::Era,
            &all[..],
            "2025-06",
            "2026-11",
        ),
        (
            "issue",
            By::Issue,
            ChartKind::Totals,
            MonthLabel::Era,
            &all[..],
            "2025-06",
            "2026-11",
        ),
        (
            "empty",
            By::Route,
            ChartKind::StackedMonths,
            MonthLabel::Era,
            &[][..],
            "2026-04",
            "2026-06",
        ),
    ] {
        let table = table(by, facts, from, to);
        let usual = Chart::usual(by, Format::Png);
        let png = draw(
            &table,
            &Chart {
                kind,
                month_label: label,
                ..usual
            },
            fonts,
        )
        .unwrap();
        assert!(png.starts_with(b"\x89PNG"));
        keep(&format!("chart-{name}.png"), &png);
        let svg = draw(
            &table,
            &Chart {
                kind,
                month_label: label,
                format: Format::Svg,
                ..usual
            },
            fonts,
        )
        .unwrap();
        let svg = String::from_utf8(svg).unwrap();
        assert!(svg.contains("BIZ UDPGothic, Noto Sans JP, sans-serif"));
        assert!(svg.contains("<title>新規相談受付件数"));
        assert!(svg.contains("未検証"));
        assert_eq!(svg.contains("は0件です"), name == "empty");
        keep(&format!("chart-{name}.svg"), svg.as_bytes());
    }
}

#[test]
fn the_same_table_gives_the_same_picture() {
    let table = table(By::Route, &facts(300), "2025-06", "2026-03");
    let chart = Chart::usual(By::Route, Format::Svg);
    assert_eq!(
        draw(&table, &chart, fonts()).unwrap(),
        draw(&table, &chart, fonts()).unwrap()
    );
}

#[test]
fn absurd_sizes_are_refused() {
    let table = table(By::Route, &[], "2026-04", "2026-04");
    let chart = Chart {
        width: 100_000,
        ..Chart::usual(By::Route, Format::Png)
    };
    assert!(matches!(
        draw(&table, &chart, fonts()),
        Err(statistics::Error::Size)
    ));
}
