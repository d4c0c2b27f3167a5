/** Words the field uses, by code. One place, so that a term is the same on every screen. */
export const ROLES: Record<string, string> = {
  sysadmin: 'システム管理者',
  department_staff: '所管課 担当者',
  department_approver: '所管課 決裁者',
  coordinator: '多機関協働事業者 職員',
  coord_mgr: '多機関協働事業者 管理者',
  agency: '支援関係機関 職員',
  agency_mgr: '支援関係機関 管理者',
  viewer: '閲覧のみ',
  auditor: '監査',
  stat: '統計担当',
};

/** Short role for the corner of the screen, beside the agency's name. */
export const ROLES_SHORT: Record<string, string> = {
  sysadmin: 'システム管理者',
  department_staff: '担当者',
  department_approver: '決裁者',
  coordinator: '職員',
  coord_mgr: '管理者',
  agency: '職員',
  agency_mgr: '管理者',
  viewer: '閲覧のみ',
  auditor: '監査',
  stat: '統計担当',
};

/** Agency classes. */
export const AGENCY_CLASSES: Record<string, string> = {
  coordinator: '多機関協働事業者',
  department: '市町村所管課',
  agency: '支援関係機関',
};

/** The label of a code, or the code itself: an unknown code must not vanish from the screen. */
export function labelOf(words: Readonly<Record<string, string>>, code: string): string {
  return words[code] ?? code;
}
