/** The kit: what every screen is made of. Import from here, not from the single files. */
export * from './Avatar';
export * from './Button';
export * from './DateInput';
export * from './Dialog';
export * from './Drawing';
export * from './ErrorSummary';
export * from './Field';
export * from './FormDialog';
export * from './Icon';
export * from './Layout';
export * from './Menu';
export * from './Table';
export * from './Tabs';
export * from './Tag';
export * from './Toast';
export * from './unread';
