/**
 * The one table of every screen. Plain data without imports, so that the router, the
 * navigation and the accessibility tests all read the same list.
 * A page is the default export of `src/features/<page>.tsx` and gets {@link PageProps}.
 */
export interface RouteDefinition {
  /** Stable name, used in tests and for the current item of the navigation. */
  id: string;
  /** wouter pattern, relative to the base path. */
  path: string;
  /** `<feature>/<File>` under src/features. */
  page: string;
  /** First part of the document title; pages may refine it with useTitle. */
  title: string;
  /** Item of the left navigation that is current here. */
  nav?:
    | 'home'
    | 'search'
    | 'cases'
    | 'requests'
    | 'masks'
    | 'similar'
    | 'statistics'
    | 'exchange'
    | 'admin'
    | 'forms'
    | 'erasures'
    | 'audit';
  /** Any one of these permissions is needed to open the page. */
  needs?: readonly string[];
  /** Example values for the placeholders, for tests that open every screen. */
  example?: Readonly<Record<string, string>>;
}

/** Props of a page: the values of the placeholders in its path. */
export interface PageProps {
  params: Readonly<Record<string, string | undefined>>;
}

/** Order matters: the first match is shown. */
export const ROUTES: readonly RouteDefinition[] = [
  { id: 'home', path: '/', page: 'home/HomePage', title: 'ホーム', nav: 'home' },
  {
    id: 'search',
    path: '/search',
    page: 'search/SearchPage',
    title: '検索',
    nav: 'search',
    needs: ['read_cases', 'read_persons'],
  },
  {
    id: 'cases',
    path: '/cases',
    page: 'cases/CaseListPage',
    title: '事案',
    nav: 'cases',
    needs: ['read_cases'],
  },
  {
    id: 'case-new',
    path: '/cases/new',
    page: 'cases/NewCasePage',
    title: '新しい相談を受け付ける',
    nav: 'cases',
    needs: ['create_case'],
  },
  {
    id: 'case',
    path: '/cases/:caseId/:tab?',
    page: 'cases/CasePage',
    title: '事案',
    nav: 'cases',
    example: { tab: 'overview' },
  },
  {
    id: 'case-item',
    path: '/cases/:caseId/:tab/:itemId',
    page: 'cases/CasePage',
    title: '事案',
    nav: 'cases',
    example: { tab: 'progress' },
  },
  {
    id: 'case-item-view',
    path: '/cases/:caseId/:tab/:itemId/:view',
    page: 'cases/CasePage',
    title: '事案',
    nav: 'cases',
    example: { tab: 'plan', view: 'history' },
  },
  {
    id: 'print',
    path: '/print/:documentId',
    page: 'sheet/PrintPage',
    title: '印刷',
    nav: 'cases',
  },
  {
    id: 'requests',
    path: '/requests',
    page: 'requests/RequestsPage',
    title: '依頼',
    nav: 'requests',
    needs: ['read_cases'],
  },
  {
    id: 'print-case',
    path: '/print/cases/:caseId/:part/:personId?',
    page: 'sheet/CasePrintPage',
    title: '印刷',
    nav: 'cases',
    example: { part: 'progress' },
  },
  {
    id: 'transcript',
    path: '/transcripts/:transcriptId',
    page: 'transcript/TranscriptPage',
    title: '文字起こしからの下書き',
    nav: 'cases',
  },
  {
    id: 'duplicates',
    path: '/persons/duplicates',
    page: 'register/DuplicatesPage',
    title: '重複の候補',
    nav: 'cases',
    needs: ['merge_persons'],
  },
  {
    id: 'mask-reviews',
    path: '/mask-reviews',
    page: 'masks/MaskReviewListPage',
    title: 'マスク確認',
    nav: 'masks',
    needs: ['review_masks'],
  },
  {
    id: 'mask-review',
    path: '/mask-reviews/:documentId',
    page: 'masks/MaskReviewPage',
    title: 'マスク確認',
    nav: 'masks',
    needs: ['review_masks'],
  },
  {
    id: 'similar',
    path: '/similar',
    page: 'similar/SimilarPage',
    title: '類似事案',
    nav: 'similar',
    needs: ['read_similar'],
  },
  {
    id: 'statistics',
    path: '/statistics',
    page: 'statistics/StatisticsPage',
    title: '統計',
    nav: 'statistics',
    needs: ['read_statistics'],
  },
  {
    id: 'import',
    path: '/exchange/import/:importId',
    page: 'exchange/ImportPage',
    title: '取込',
    nav: 'exchange',
    needs: ['edit_persons'],
    example: { importId: 'none' },
  },
  {
    id: 'exchange',
    path: '/exchange',
    page: 'exchange/ExchangePage',
    title: '取込・出力',
    nav: 'exchange',
    needs: ['export_cases', 'edit_persons', 'admin_settings'],
  },
  {
    id: 'exchange-part',
    path: '/exchange/:tab',
    page: 'exchange/ExchangePage',
    title: '取込・出力',
    nav: 'exchange',
    needs: ['export_cases', 'edit_persons', 'admin_settings'],
    example: { tab: 'import' },
  },
  {
    id: 'accounts',
    path: '/admin/accounts',
    page: 'admin/AccountsPage',
    title: '利用者',
    nav: 'admin',
    needs: ['admin_accounts', 'admin_own_agency'],
  },
  {
    id: 'agencies',
    path: '/admin/agencies',
    page: 'admin/AgenciesPage',
    title: '機関',
    nav: 'admin',
    needs: ['admin_agencies'],
  },
  {
    id: 'forms',
    path: '/admin/forms',
    page: 'admin/FormsPage',
    title: '項目の追加',
    nav: 'forms',
    needs: ['admin_forms'],
  },
  {
    id: 'presets',
    path: '/admin/presets',
    page: 'admin/PresetsPage',
    title: '開示のひな型',
    nav: 'forms',
    needs: ['admin_forms'],
  },
  {
    id: 'erasures',
    path: '/admin/erasures',
    page: 'admin/ErasuresPage',
    title: '消去',
    nav: 'erasures',
    needs: ['erase_request', 'read_audit'],
  },
  {
    id: 'audit',
    path: '/admin/audit',
    page: 'admin/AuditPage',
    title: '監査ログ',
    nav: 'audit',
    needs: ['read_audit'],
  },
];

/** Shown outside the shell, to whoever is not signed in, at any address. */
export const SIGN_IN_PAGE = 'signin/SignInPage';

/** One item of the left navigation. */
export interface NavItem {
  id: NonNullable<RouteDefinition['nav']>;
  path: string;
  label: string;
  icon:
    | 'home'
    | 'folder'
    | 'link'
    | 'mask'
    | 'search'
    | 'copy'
    | 'chart'
    | 'upload'
    | 'doc'
    | 'gear'
    | 'trash'
    | 'shield';
  needs?: readonly string[];
}

/** Left navigation from top to bottom. */
export const NAV: readonly NavItem[] = [
  { id: 'home', path: '/', label: 'ホーム', icon: 'home' },
  {
    id: 'search',
    path: '/search',
    label: '検索',
    icon: 'search',
    needs: ['read_cases', 'read_persons'],
  },
  { id: 'cases', path: '/cases', label: '事案', icon: 'folder', needs: ['read_cases'] },
  { id: 'requests', path: '/requests', label: '依頼', icon: 'link', needs: ['read_cases'] },
  {
    id: 'masks',
    path: '/mask-reviews',
    label: 'マスク確認',
    icon: 'mask',
    needs: ['review_masks'],
  },
  { id: 'similar', path: '/similar', label: '類似事案', icon: 'copy', needs: ['read_similar'] },
  {
    id: 'statistics',
    path: '/statistics',
    label: '統計',
    icon: 'chart',
    needs: ['read_statistics'],
  },
  {
    id: 'exchange',
    path: '/exchange',
    label: '取込・出力',
    icon: 'upload',
    needs: ['export_cases', 'edit_persons', 'admin_settings'],
  },
  {
    id: 'admin',
    path: '/admin/accounts',
    label: '設定',
    icon: 'gear',
    needs: ['admin_accounts', 'admin_own_agency'],
  },
  {
    id: 'forms',
    path: '/admin/forms',
    label: '項目の追加',
    icon: 'doc',
    needs: ['admin_forms'],
  },
  {
    id: 'erasures',
    path: '/admin/erasures',
    label: '消去',
    icon: 'trash',
    needs: ['erase_request', 'read_audit'],
  },
  { id: 'audit', path: '/admin/audit', label: '監査', icon: 'shield', needs: ['read_audit'] },
];
