/** The ecomap of a case. Other features import from here. */
export { LiveNetwork } from './LiveNetwork';
export type { Candidate } from './dialogs';
