import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import { AGENCY_CLASSES, labelOf } from '../../i18n/glossary';
import { problemText } from '../../i18n/problems';
import {
  Button,
  ConfirmDialog,
  Empty,
  FormDialog,
  Menu,
  PageHead,
  RadioGroup,
  Table,
  Tag,
  TextInput,
  useToast,
} from '../../ui';
import type { Schema } from '../../api/types';
import { QueryState } from '../cases/parts';
import type { Agency } from './api';
import { AdminTabs } from './AdminTabs';
import './admin.css';

/** 「機関」: register, change, stop, go on. */
export default function AgenciesPage() {
  const client = useQueryClient();
  const toast = useToast();
  const query = useQuery({
    queryKey: ['admin', 'agencies'],
    queryFn: ({ signal }) => api.get<Schema<'AgencyList'>>('agencies', undefined, signal),
  });
  const [editing, setEditing] = useState<{ agency: Agency | null } | null>(null);
  const [asked, setAsked] = useState<Agency | null>(null);
  const [busy, setBusy] = useState(false);
  const refresh = (): Promise<void> => client.invalidateQueries({ queryKey: ['admin'] });

  const act = async (): Promise<void> => {
    if (!asked || busy) return;
    setBusy(true);
    try {
      await api.post(`agencies/${asked.id}/${asked.active ? 'stop' : 'reactivate'}`);
      toast(asked.active ? '機関を停止しました。' : '機関を再開しました。');
      await refresh();
    } catch (error) {
      toast(problemText(error), { tone: 'error' });
    } finally {
      setAsked(null);
      setBusy(false);
    }
  };

  return (
    <>
      <PageHead
        title="機関"
        actions={
          <Button variant="primary" icon="plus" onClick={() => setEditing({ agency: null })}>
            機関を登録する
          </Button>
        }
      />
      <AdminTabs current="agencies" />
      <div className="card">
        {!query.data && (
          <div className="card__body">
            <QueryState query={query} what="機関" />
          </div>
        )}
        {query.data && (
          <Table
            caption="機関"
            captionHidden
            rows={query.data.items}
            rowKey={(agency) => agency.id}
            empty={
              <Empty icon="people" title="機関がまだ登録されていません">
                「機関を登録する」から加えます。
              </Empty>
            }
            columns={[
              {
                key: 'name',
                head: '名称',
                header: true,
                cell: (agency) => <strong>{agency.name}</strong>,
              },
              {
                key: 'class',
                head: '区分',
                cell: (agency) => labelOf(AGENCY_CLASSES, agency.class),
              },
              {
                key: 'phone',
                head: '電話',
                cell: (agency) => <span className="number">{agency.phone ?? '—'}</span>,
              },
              {
                key: 'state',
                head: '状態',
                cell: (agency) =>
                  agency.active ? (
                    <Tag tone="green" icon="check" small>
                      利用中
                    </Tag>
                  ) : (
                    <Tag tone="grey" icon="lock" small>
                      停止中
                    </Tag>
                  ),
              },
              {
                key: 'act',
                head: '操作',
                cell: (agency) => (
                  <Menu
                    label="操作"
                    ariaLabel={`${agency.name}の操作`}
                    entries={[
                      {
                        id: 'edit',
                        label: '変更する',
                        icon: 'pencil',
                        onSelect: () => setEditing({ agency }),
                      },
                      {
                        id: 'state',
                        label: agency.active ? '停止する' : '再開する',
                        icon: agency.active ? 'lock' : 'check',
                        separator: true,
                        onSelect: () => setAsked(agency),
                      },
                    ]}
                  />
                ),
              },
            ]}
          />
        )}
      </div>
      {asked && (
        <ConfirmDialog
          title={asked.active ? `${asked.name}を停止しますか` : `${asked.name}を再開しますか`}
          isOpen
          onCancel={() => setAsked(null)}
          onConfirm={() => void act()}
          confirmLabel={asked.active ? '停止する' : '再開する'}
          danger={asked.active}
          busy={busy}
        >
          <p>
            {asked.active
              ? 'この機関の所属では、だれも使えなくなります。記録と開示の設定は残り、あとで再開できます。'
              : 'この機関の所属で、もう一度使えるようになります。'}
          </p>
        </ConfirmDialog>
      )}
      {editing && (
        <EditAgency
          agency={editing.agency}
          onClose={() => setEditing(null)}
          onDone={() => {
            toast(editing.agency ? '変更しました。' : '機関を登録しました。');
            setEditing(null);
            void refresh();
          }}
        />
      )}
    </>
  );
}

function EditAgency({
  agency,
  onClose,
  onDone,
}: {
  agency: Agency | null;
  onClose: () => void;
  onDone: () => void;
}) {
  const [name, setName] = useState(agency?.name ?? '');
  const [kind, setKind] = useState(agency?.class ?? 'agency');
  const [phone, setPhone] = useState(agency?.phone ?? '');
  return (
    <FormDialog
      title={agency ? `${agency.name}を変更する` : '機関を登録する'}
      submitLabel={agency ? '変更を保存する' : '登録する'}
      onClose={onClose}
      labels={{
        name: { id: 'agency-name', label: '名称' },
        phone: { id: 'agency-phone', label: '電話' },
      }}
      check={() =>
        name.trim() === '' ? [{ target: 'agency-name', message: '名称を入力してください。' }] : []
      }
      save={async () => {
        const body = { name: name.trim(), phone: phone.normalize('NFKC').trim() || null };
        if (agency)
          await api.patch(`agencies/${agency.id}`, {
            ...body,
            version: agency.version,
          });
        else await api.post('agencies', { ...body, class: kind });
        onDone();
      }}
    >
      {(errorAt) => (
        <>
          <TextInput
            id="agency-name"
            label="名称"
            required
            autoFocus
            value={name}
            onChange={setName}
            error={errorAt('agency-name')}
          />
          {agency ? (
            <p className="soft">
              区分：{labelOf(AGENCY_CLASSES, agency.class)}
              （権限の元になるため、登録後は変えられません）
            </p>
          ) : (
            <RadioGroup
              label="区分"
              required
              columns
              options={Object.entries(AGENCY_CLASSES).map(([code, label]) => ({ code, label }))}
              value={kind}
              onChange={setKind}
            />
          )}
          <TextInput
            id="agency-phone"
            label="電話"
            inputMode="tel"
            value={phone}
            onChange={setPhone}
            error={errorAt('agency-phone')}
          />
        </>
      )}
    </FormDialog>
  );
}
