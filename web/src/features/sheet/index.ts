/** Sheets: editing together, reading, masked reading. Other features import from here. */
export { FinaliseButton, Finals, useDocumentInfo } from './Finals';
export { PrintLink } from './HistoryLink';
export { LiveSheet } from './LiveSheet';
export { useForm } from '../../forms/use-form';
export { MaskedText, plainText, SheetView, Withheld } from './SheetView';
export { SeenBadge } from './SeenBadge';
export { BlockedNotice, OnlineMembers, SaveStatus } from './Status';
export { controlId, type References } from './FieldEditor';
