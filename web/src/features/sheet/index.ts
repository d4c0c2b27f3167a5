/** Sheets: editing together, reading, masked reading. Other features import from here. */
export { LiveSheet, MaskedSheet, type LiveSheetProps } from './LiveSheet';
export { useForm } from '../../forms/use-form';
export { LiveNote } from './LiveNote';
export { LiveText } from './LiveText';
export { MaskedText, SheetView, Withheld } from './SheetView';
export { SeenBadge } from './SeenBadge';
export { BlockedNotice, OnlineMembers, SaveStatus, Typing } from './Status';
export { todayIn } from './SheetEditor';
export { asCells, fieldsMap, readValues } from './values';
export { controlId, type References } from './FieldEditor';
