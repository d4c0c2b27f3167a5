import { useState } from 'react';
import { ApiError } from '../../api/client';
import { sendForFile } from '../../api/download';
import { useSession } from '../../app/session';
import {
  Button,
  Card,
  Checkbox,
  CheckboxGroup,
  DateInput,
  LinkButton,
  Notice,
  RadioGroup,
  Table,
  Unverified,
  useToast,
} from '../../ui';
import { useConfirmed } from '../cases/sharing/confirmed';
import type { Confirmation } from '../cases/disclosure';
import { localDate } from '../cases/dates';
import { QueryState } from '../cases/parts';
import { useTables } from './tables';

interface Place {
  file: string;
  row: number;
  column: string;
  text: string;
}

/** Chooses files, days and encoding; what comes is a ZIP. `caseId`: of one case alone; empty: of everything. */
export function ExportPanel({ caseId }: { caseId: string }) {
  const { session, can } = useSession();
  const toast = useToast();
  const tables = useTables();
  const today = localDate(new Date(), session.municipality.zone);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(
    new Set(caseId ? ['case', 'plan', 'plan_item', 'progress'] : []),
  );
  const [from, setFrom] = useState('');
  const [to, setTo] = useState('');
  const [encoding, setEncoding] = useState('utf-8-bom');
  const [identifiers, setIdentifiers] = useState(false);
  const [columns, setColumns] = useState(false);
  const [guard, setGuard] = useState(true);
  const [missing, setMissing] = useState<string | undefined>();
  const [places, setPlaces] = useState<{ list: Place[]; count: number } | null>(null);
  const confirmed = useConfirmed(() => toast('書き出しました。保存先を確かめてください。'));
  const shown = (tables.data ?? []).filter(
    (table) => can('read_persons') || !['person', 'household_member'].includes(table.id),
  );

  const start = (replace: boolean): void => {
    if (chosen.size === 0) {
      setMissing('書き出すファイルを1つ以上選んでください。');
      return;
    }
    if (from && to && to < from) {
      setMissing('終わりの日は、はじめの日以後にしてください。');
      return;
    }
    setMissing(undefined);
    setPlaces(null);
    void confirmed.run(async (confirmation?: Confirmation) => {
      try {
        await sendForFile(
          'exports',
          {
            tables: shown.filter((table) => chosen.has(table.id)).map((table) => table.id),
            encoding,
            replace,
            identifiers,
            choice_columns: columns,
            guard_formulas: guard,
            ...(caseId ? { case_id: caseId } : {}),
            ...(from ? { from } : {}),
            ...(to ? { to } : {}),
            ...(confirmation
              ? { confirmation: { basis: confirmation.basis, reason: confirmation.reason } }
              : {}),
          },
          `書き出し_${today}.zip`,
        );
      } catch (error) {
        if (error instanceof ApiError && error.code === 'unencodable')
          setPlaces({
            list: (error.body.places as Place[] | undefined) ?? [],
            count: Number(error.body.count ?? 0),
          });
        throw error;
      }
    }, `${chosen.size}種類のCSVファイルを書き出す`);
  };

  return (
    <Card title="ファイルを書き出す" icon="download">
      <div className="stack">
        {caseId && (
          <Notice
            title="1つの事案だけを書き出します"
            actions={<LinkButton href="/exchange/export">全部から選ぶ</LinkButton>}
          >
            台帳も、この事案の方だけになります。
          </Notice>
        )}
        {!tables.data && <QueryState query={tables} what="ファイルの一覧" />}
        <CheckboxGroup
          id="export-tables"
          label="書き出すファイル"
          required
          error={missing}
          options={shown.map((table) => ({
            code: table.id,
            label: table.title,
            support: `${table.id}.csv${table.import ? '（取込もできます）' : ''}`,
          }))}
          values={chosen}
          onToggle={(code) => {
            const next = new Set(chosen);
            if (!next.delete(code)) next.add(code);
            setChosen(next);
          }}
        />
        <p className="soft">
          <Unverified /> 見出しは、国のツールのものとの照合が済んでいません。
        </p>
        {!caseId && (
          <div>
            <div className="two">
              <DateInput label="はじめの日" value={from} onChange={setFrom} yearless={{ today }} />
              <DateInput label="終わりの日" value={to} onChange={setTo} yearless={{ today }} />
            </div>
            <p className="soft">
              支援経過は支援実施日、事案とシートは受付日で絞ります。台帳は全員です。
            </p>
          </div>
        )}
        <RadioGroup
          label="文字コード"
          required
          options={[
            { code: 'utf-8-bom', label: 'UTF-8（BOM付き）', support: 'Excelで開くとき' },
            { code: 'utf-8', label: 'UTF-8', support: 'ほかのプログラム向け' },
            { code: 'cp932', label: 'Shift_JIS（CP932）', support: '古い庁内システム向け' },
          ]}
          value={encoding}
          onChange={setEncoding}
        />
        <div>
          <Checkbox label="2行目に識別子を入れる" checked={identifiers} onChange={setIdentifiers} />
          <Checkbox
            label="複数選択を、選択肢ごとの0・1の列に分ける"
            checked={columns}
            onChange={setColumns}
          />
          <Checkbox
            label="「=」などで始まるセルが数式として動かないように、前に「'」を付ける"
            checked={guard}
            onChange={setGuard}
          />
        </div>
        <Notice title="書き出されるもの">
          自分に見えるものだけです。市町村で加えた項目も列になります。マスクで見ているものはマスクされたまま、住所秘匿の方の住所・連絡先・場所の分かる文は出ません。だれが何を書き出したかは監査ログと事案の閲覧履歴に残ります。
        </Notice>
        {places && (
          <Notice
            tone="warning"
            live
            title={`Shift_JISにない文字が${places.count.toLocaleString('ja-JP')}か所あります`}
            actions={
              <Button size="s" busy={confirmed.busy} onClick={() => start(true)}>
                〓に置きかえて書き出す
              </Button>
            }
          >
            <p>UTF-8を選ぶと、そのまま書き出せます。置きかえた文字は元に戻せません。</p>
            <Table
              caption="Shift_JISにない文字"
              captionHidden
              dense
              rows={places.list}
              rowKey={(place) => `${place.file}:${place.row}:${place.column}:${place.text}`}
              columns={[
                { key: 'text', head: '文字', header: true, cell: (place) => place.text },
                { key: 'file', head: 'ファイル', cell: (place) => place.file },
                { key: 'row', head: '行', number: true, cell: (place) => place.row },
                { key: 'column', head: '列', cell: (place) => place.column },
              ]}
            />
          </Notice>
        )}
        {confirmed.problem && !places && (
          <Notice tone="error" live title="書き出せませんでした">
            {confirmed.problem}
          </Notice>
        )}
        <div className="row">
          <Button
            variant="primary"
            icon="download"
            busy={confirmed.busy}
            onClick={() => start(false)}
          >
            書き出す（ZIP）
          </Button>
        </div>
      </div>
      {confirmed.dialog}
    </Card>
  );
}
