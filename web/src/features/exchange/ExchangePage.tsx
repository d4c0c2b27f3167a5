import { useSearch } from 'wouter';
import type { PageProps } from '../../app/routes';
import { useSession } from '../../app/session';
import { NavTabs, PageHead } from '../../ui';
import { ExportPanel } from './ExportPanel';
import { ImportPanel } from './ImportPanel';
import { MappingsPanel } from './MappingsPanel';
import './exchange.css';

/** 「取込・出力」: files in, files out, and the names that other systems use. */
export default function ExchangePage({ params }: PageProps) {
  const { can, session } = useSession();
  // Ids alone stand in the address.
  const caseId = new URLSearchParams(useSearch()).get('case') ?? '';
  const imports = can('edit_persons') && can('edit_case');
  const items = [
    { id: 'import', label: '取込', shown: imports },
    { id: 'export', label: '出力', shown: can('export_cases') },
    { id: 'mappings', label: '名前の対応', shown: imports || can('admin_settings') },
  ].filter((item) => item.shown);
  const tab = items.find((item) => item.id === params.tab)?.id ?? items[0]?.id;
  return (
    <>
      <PageHead
        title="取込・出力"
        lead={`${session.municipality.name}　CSV・Excelのファイルを取り込み、CSVで書き出します。`}
      />
      <NavTabs
        label="取込・出力"
        items={items.map((item) => ({
          href: `/exchange/${item.id}`,
          label: item.label,
          current: item.id === tab,
        }))}
      />
      <div className="exchange">
        {tab === 'import' && <ImportPanel />}
        {tab === 'export' && <ExportPanel key={caseId} caseId={caseId} />}
        {tab === 'mappings' && <MappingsPanel />}
      </div>
    </>
  );
}
