import { Link } from 'wouter';
import { Table } from '../../ui';
import type { ImportRow, Kind } from './api';

/** The rows of one kind: what is wrong, or what would change from what to what. */
export function RowsTable({ kind, rows }: { kind: Kind; rows: readonly ImportRow[] }) {
  const notes = rows.some((row) => row.notes.length > 0 || row.alike.length > 0);
  return (
    <Table
      caption={kind === 'error' ? '誤りのある行' : '行の一覧'}
      captionHidden
      dense
      rows={rows}
      rowKey={(row) => String(row.line)}
      columns={[
        { key: 'line', head: '行', header: true, number: true, cell: (row) => row.line },
        { key: 'name', head: '氏名・事案・記録', cell: (row) => row.name },
        ...(kind === 'error'
          ? [
              {
                key: 'errors',
                head: '誤り（列と直し方）',
                cell: (row: ImportRow) => (
                  <ul className="exchange__list">
                    {row.errors.map((error, index) => (
                      <li key={index}>
                        {error.label && <b>{error.label}：</b>}
                        {error.message}
                      </li>
                    ))}
                  </ul>
                ),
              },
            ]
          : []),
        ...(kind === 'create' || kind === 'update'
          ? [
              {
                key: 'changes',
                head: kind === 'create' ? '加える値' : '変わる値',
                cell: (row: ImportRow) => (
                  <ul className="exchange__list">
                    {row.changes.map((change) => (
                      <li key={change.field}>
                        <b>{change.label}：</b>
                        {kind === 'update' && (
                          <>
                            <del>{change.before ?? '（なし）'}</del>
                            <span aria-label="から"> → </span>
                          </>
                        )}
                        <ins>{change.after ?? '（消す）'}</ins>
                      </li>
                    ))}
                  </ul>
                ),
              },
            ]
          : []),
        ...(notes
          ? [
              {
                key: 'notes',
                head: '気をつけること',
                cell: (row: ImportRow) => (
                  <ul className="exchange__list">
                    {row.alike.map((person) => (
                      <li key={person.person_id}>
                        台帳の
                        <Link href={`/search?q=${encodeURIComponent(person.name)}`}>
                          {person.name}
                        </Link>
                        さんに似ています（ID <code>{person.person_id}</code>）
                      </li>
                    ))}
                    {row.notes.map((note, index) => (
                      <li key={index}>
                        {note.label && <b>{note.label}：</b>}
                        {note.message}
                      </li>
                    ))}
                  </ul>
                ),
              },
            ]
          : []),
      ]}
    />
  );
}
