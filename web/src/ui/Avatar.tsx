import './avatar.css';

/** A person who is here now. Colour is stamped by the server; initials make it legible without. */
export interface AvatarPerson {
  name: string;
  agency: string;
  color: string;
}

/** First character of the family name. Iterates code points: 𠮷 is one character. */
export function initial(name: string): string {
  return [...name.trim()][0] ?? '？';
}

/** Round mark with the first character of a name. The name is read out unless `decorative`. */
export function Avatar({
  person,
  small = false,
  decorative = false,
}: {
  person: AvatarPerson;
  small?: boolean;
  decorative?: boolean;
}) {
  return (
    <span
      className={small ? 'avatar avatar--small' : 'avatar'}
      style={{ backgroundColor: person.color }}
      title={`${person.name}（${person.agency}）`}
    >
      <span aria-hidden="true">{initial(person.name)}</span>
      {!decorative && (
        <span className="visually-hidden">
          {person.name}（{person.agency}）
        </span>
      )}
    </span>
  );
}

/** Avatar with name and agency beside it. */
export function Who({ person }: { person: AvatarPerson }) {
  return (
    <span className="who">
      <Avatar person={person} small decorative />
      <span>
        {person.name}
        <small>{person.agency}</small>
      </span>
    </span>
  );
}
