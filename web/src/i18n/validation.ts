/** Wording of validation codes. `label` is the field's own label. */
export function validationText(
  code: string,
  label: string,
  detail: { min?: number | undefined; max?: number | undefined } = {},
): string {
  switch (code) {
    case 'required':
      return `「${label}」を入力してください`;
    case 'required_choice':
      return `「${label}」を選んでください`;
    case 'invalid_date':
      return `「${label}」は、令和8年11月24日、R8.11.24、2026-11-24 のように実在する日付を入力してください`;
    case 'era_range':
      return `「${label}」の元号と年が合っていません。昭和は64年、平成は31年までです`;
    case 'future_date':
      return `「${label}」に未来の日付は入力できません`;
    case 'invalid_number':
      return `「${label}」は数字で入力してください`;
    case 'not_integer':
      return `「${label}」は整数で入力してください`;
    case 'too_small':
      return `「${label}」は${detail.min ?? 0}以上で入力してください`;
    case 'too_large':
      return `「${label}」は${detail.max ?? ''}以下で入力してください`;
    case 'too_long':
      return `「${label}」は${detail.max ?? ''}文字以内で入力してください`;
    case 'too_short':
      return `「${label}」は${detail.min ?? ''}文字以上で入力してください`;
    case 'unknown_option':
      return `「${label}」に、いまの選択肢にない値が入っています。選び直してください`;
    case 'personal_number':
      return `「${label}」に個人番号（マイナンバー）とみられる12桁の数字があります。取り除いてください`;
    default:
      return `「${label}」の内容を確認してください（${code}）`;
  }
}
