import { DateInput, Select } from '../../../ui';
import { presetLevels, type Preset } from '../disclosure';
import { LEVEL_LABELS, sectionLabel } from '../vocabulary';
import type { RightsChoice } from './rights';

/** Where an error about the days is shown. */
export const DAYS_TARGET = 'rights-to';

/** What an agency is to see, and from when to when. */
export function RightsFields({
  label,
  support,
  choice,
  onChange,
  presets,
  orgType,
  dated,
  empty = null,
  today,
  error,
}: {
  label: string;
  support?: string;
  choice: RightsChoice;
  onChange: (next: RightsChoice) => void;
  presets: readonly Preset[];
  orgType: string | null | undefined;
  /** Whether the agency may have days. */
  dated: boolean;
  /** The word for nothing chosen; `null`: something must be. */
  empty?: string | null;
  today: string;
  error: string | undefined;
}) {
  const put = (part: Partial<RightsChoice>): void => onChange({ ...choice, ...part });
  const preset = presets.find((entry) => entry.id === choice.preset);
  const levels = Object.entries(presetLevels(preset, orgType)).filter(
    ([, level]) => level !== 'none',
  );
  return (
    <>
      <Select
        label={label}
        support={support}
        value={choice.preset}
        empty={empty}
        options={presets
          .filter((entry) => entry.id !== 'none')
          .map((entry) => ({ code: entry.id, label: entry.label }))}
        onChange={(next) => put({ preset: next })}
      />
      {preset && (
        <>
          <p className="soft">
            {preset.description}
            <br />
            {levels
              .map(([section, level]) => `${sectionLabel(section)}：${LEVEL_LABELS[level]}`)
              .join('、')}
            。同意や住所秘匿により、これより狭くなることがあります。
          </p>
          {dated && (
            <div className="two">
              <DateInput
                id="rights-from"
                label="見える期間：はじめの日"
                support="空欄のときは、すぐに見えます。"
                value={choice.from}
                yearless={{ today, ahead: true }}
                onChange={(from) => put({ from })}
              />
              <DateInput
                id={DAYS_TARGET}
                label="見える期間：終わりの日"
                support="空欄のときは、期限なしです。次の日に自動で見えなくなります。"
                value={choice.to}
                yearless={{ today, ahead: true }}
                onChange={(to) => put({ to })}
                error={error}
              />
            </div>
          )}
        </>
      )}
    </>
  );
}
