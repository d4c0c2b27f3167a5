/** The past of a sheet. Other features import from here. */
export { DocumentHistory, isHistoryView, type HistoryView } from './DocumentHistory';
