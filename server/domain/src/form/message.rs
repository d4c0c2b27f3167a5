//! The words for issues, for command line and imports. The web app has its own from the same
//! codes.

use super::{Check, Definition, Issue, TextFormat};

/// What to tell people about an issue: which field, what is wrong, what to do.
#[must_use]
pub fn message_ja(definition: &Definition, issue: &Issue) -> String {
    let label = label(definition, &issue.path);
    let param = |name: &str| issue.params.get(name).map_or("", String::as_str);
    let text = match issue.code.as_str() {
        "required" => "を入力してください。".to_owned(),
        "unknown_field" => "にこの様式にない項目が含まれています。様式の版を確認してください。".to_owned(),
        "wrong_type" => "の形式が正しくありません。入力し直してください。".to_owned(),
        "unknown_option" => "に選択肢にない値があります。選び直してください。".to_owned(),
        "exclusive_option" => {
            let option = definition
                .field_at(&issue.path)
                .and_then(|field| definition.option_label(field, param("option")))
                .unwrap_or_default();
            format!("の「{option}」はほかの選択肢と同時に選べません。どちらかを外してください。")
        }
        "too_long" => format!("は{}文字以内で入力してください（現在{}文字）。", param("max"), param("length")),
        "too_small" => format!("は{}以上で入力してください。", param("min")),
        "too_large" => format!("は{}以下で入力してください。", param("max")),
        "not_integer" => "は整数で入力してください。".to_owned(),
        "invalid_date" => "の日付を確認してください。「昭和45年3月12日」「1970-03-12」のように入力してください。".to_owned(),
        "future_date" => "が今日より後の日付です。日付を確認してください。".to_owned(),
        "too_old" => "が120年より前の日付です。年を確認してください。".to_owned(),
        "too_many_rows" => format!("は{}行までです。行を減らしてください。", param("max")),
        "my_number" => {
            "にマイナンバー（個人番号）と思われる12桁の数字があります。個人番号は記録できません。削除してください。".to_owned()
        }
        "invalid_format" => {
            let name = TextFormat::from_code(param("format")).map_or("", TextFormat::label_ja);
            format!("が{name}の形式ではないようです。確認してください。")
        }
        "not_applicable" => "は、いまの回答では使わない項目です。値が残っています。不要なら消してください。".to_owned(),
        "other_text_missing" => "に、選んだ選択肢の内容を書いてください。".to_owned(),
        "not_within" => format!("は「{}」で選んだものから選んでください。", self::label(definition, param("of"))),
        "date_order" => {
            return format!(
                "「{}」が「{}」より後になっています。日付を確認してください。",
                self::label(definition, param("earlier")),
                self::label(definition, param("later"))
            );
        }
        code => {
            let message = definition.checks.iter().find_map(|check| match check {
                Check::Raise { code: own, message, .. } if own == code => Some(message.as_str()),
                _ => None,
            });
            return match message {
                Some(message) => format!("「{label}」：{message}"),
                None => format!("「{label}」の値を確認してください。"),
            };
        }
    };
    if label.is_empty() {
        format!("入力内容{text}")
    } else {
        format!("「{label}」{text}")
    }
}

/// The label of a path; of a table's cell 「表：列」; of names from elsewhere what they mean.
fn label(definition: &Definition, path: &str) -> String {
    match path {
        "case.received_on" => return "受付日".to_owned(),
        "case.screened_on" => return "スクリーニング日".to_owned(),
        "case.planned_on" => return "プラン作成日".to_owned(),
        "case.meeting_on" => return "会議日".to_owned(),
        "case.decided_on" => return "支援決定日".to_owned(),
        "case.evaluated_on" => return "評価日".to_owned(),
        "case.closed_on" => return "終結日".to_owned(),
        _ => {}
    }
    let Some(field) = definition.field_at(path) else {
        return String::new();
    };
    match path
        .split_once('/')
        .and_then(|(table, _)| definition.field(table))
    {
        Some(table) => format!("{}：{}", table.label, field.label),
        None => field.label.clone(),
    }
}
