import './icon.css';

/** Stroke paths on a 24 px grid; drawn by us, so nothing is fetched. */
const PATHS = {
  home: 'M3 11 12 4l9 7M5.5 9.5V20h13V9.5M10 20v-6h4v6',
  folder: 'M4 6h6l2 2h8v11H4zM8 13h8',
  link: 'M9 12h6M3 12a3 3 0 1 0 6 0 3 3 0 1 0-6 0M15 12a3 3 0 1 0 6 0 3 3 0 1 0-6 0',
  calendar: 'M4 6h16v14H4zM4 10h16M8 3v4M16 3v4',
  mask: 'M4 7c5-2 11-2 16 0 0 6-2 11-8 12-6-1-8-6-8-12zM8 11c1-.8 2-.8 3 0M13 11c1-.8 2-.8 3 0',
  pin: 'M12 21s7-6 7-11a7 7 0 0 0-14 0c0 5 7 11 7 11zM9.5 10a2.5 2.5 0 1 0 5 0 2.5 2.5 0 1 0-5 0',
  chart: 'M5 20v-7M12 20V6M19 20V10M3 20h18',
  gear: 'M9 12a3 3 0 1 0 6 0 3 3 0 1 0-6 0M12 2.5v3M12 18.5v3M2.5 12h3M18.5 12h3M5.3 5.3l2.1 2.1M16.6 16.6l2.1 2.1M18.7 5.3l-2.1 2.1M7.4 16.6l-2.1 2.1',
  search: 'M4.5 11a6.5 6.5 0 1 0 13 0 6.5 6.5 0 1 0-13 0M16 16l4.5 4.5',
  bell: 'M6 17V11a6 6 0 0 1 12 0v6l1.5 1.5h-15zM10 21h4',
  help: 'M3 12a9 9 0 1 0 18 0 9 9 0 1 0-18 0M9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.8.4-1 .9-1 1.7M12 16.8v.2',
  info: 'M3 12a9 9 0 1 0 18 0 9 9 0 1 0-18 0M12 11v5.5M12 7.6v.2',
  down: 'M6 9.5l6 6 6-6',
  up: 'M6 14.5l6-6 6 6',
  right: 'M9.5 6l6 6-6 6',
  left: 'M14.5 6l-6 6 6 6',
  check: 'M5 12.5 9.5 17 19 7.5',
  warning: 'M12 4 2.5 20h19zM12 10v5M12 17.6v.2',
  close: 'M6 6l12 12M18 6 6 18',
  plus: 'M12 5v14M5 12h14',
  minus: 'M5 12h14',
  pencil: 'M5 19l1-4L16.5 4.5l3 3L9 18z',
  eye: 'M2.5 12s3.5-6 9.5-6 9.5 6 9.5 6-3.5 6-9.5 6-9.5-6-9.5-6zM9.2 12a2.8 2.8 0 1 0 5.6 0 2.8 2.8 0 1 0-5.6 0',
  eyeOff:
    'M4 4l16 16M6.5 7.5C4 9.2 2.5 12 2.5 12s3.5 6 9.5 6c1.5 0 2.9-.4 4.1-1M10 6.2c.6-.1 1.3-.2 2-.2 6 0 9.5 6 9.5 6s-.9 1.5-2.5 3M10 10a2.8 2.8 0 0 0 4 4',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
  people:
    'M5.8 8a3.2 3.2 0 1 0 6.4 0 3.2 3.2 0 1 0-6.4 0M3 19c0-4 3-5.5 6-5.5s6 1.5 6 5.5M16 5.2a3 3 0 0 1 0 5.6M17.5 14c2.3.6 3.5 2.2 3.5 5',
  person: 'M8.5 8a3.5 3.5 0 1 0 7 0 3.5 3.5 0 1 0-7 0M4.5 20c0-4.5 3.5-6.5 7.5-6.5s7.5 2 7.5 6.5',
  clock: 'M3.5 12a8.5 8.5 0 1 0 17 0 8.5 8.5 0 1 0-17 0M12 7v5l3.5 2',
  chat: 'M4 5h16v11H11l-4 4v-4H4z',
  homeOff: 'M12 3 3 10h2v10h14V10h2zM4 21 20 5',
  download: 'M12 4v11M7 10.5l5 5 5-5M4.5 20h15',
  upload: 'M12 16V5M7 9.5l5-5 5 5M4.5 20h15',
  print: 'M7 9V4h10v5M7 17H4V9h16v8h-3M7 14h10v6H7z',
  trash: 'M4.5 7h15M9.5 7V4.5h5V7M6.5 7l1 13h9l1-13M10.5 11v5.5M13.5 11v5.5',
  undo: 'M8 5 4 9l4 4M4 9h10a5.5 5.5 0 0 1 0 11H9',
  redo: 'M16 5l4 4-4 4M20 9H10a5.5 5.5 0 0 0 0 11h5',
  refresh: 'M19.5 12a7.5 7.5 0 1 1-2.2-5.3L20 9.5M20 4v5.5h-5.5',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  mic: 'M9 6a3 3 0 0 1 6 0v6a3 3 0 0 1-6 0zM5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3',
  doc: 'M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6',
  list: 'M5 7h14M5 12h14M5 17h14',
  external: 'M13 4h7v7M20 4l-9 9M18 14v6H4V6h6',
  star: 'M12 4l2.4 5 5.6.7-4.1 3.8 1.1 5.5-5-2.8-5 2.8 1.1-5.5L4 9.7 9.6 9z',
  offline:
    'M3 3l18 18M8.5 15.5a5 5 0 0 1 5-1.2M5 12a10 10 0 0 1 5-2.7M2 8.5A15 15 0 0 1 7 5.6M14 9.2A10 10 0 0 1 19 12M11.5 4.5A15 15 0 0 1 22 8.5M12 19v.2',
  signOut: 'M14 4H5v16h9M10 12h11M17 8l4 4-4 4',
  shield: 'M12 3l8 3v6c0 5-3.5 7.5-8 9-4.5-1.5-8-4-8-9V6zM8.5 12l2.5 2.5 4.5-5',
} as const;

/** Name of a drawn icon. */
export type IconName = keyof typeof PATHS;

/** A line icon; decoration only, so the text beside it must carry the meaning. */
export function Icon({ name, size = 'm' }: { name: IconName; size?: 's' | 'm' | 'l' }) {
  return (
    <svg className={`icon icon--${size}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
