/** Values of a comparison in words: by the form, or by the vocabulary of 世帯・関係. */
import { fieldAt, type FormDefinition } from '../../forms/definition';
import { valueText } from '../../forms/value-text';
import { genderLabel } from '../cases/vocabulary';
import { ECO_KINDS, FLOWS, GEN_KINDS, NODE_KINDS } from '../network/model';
import { plainText, type References } from '../sheet';

const NETWORK_CODES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'nodes/kind': NODE_KINDS,
  'ties/family': { eco: 'エコマップ', gen: 'ジェノグラム' },
  'ties/kind': { ...ECO_KINDS, ...GEN_KINDS },
  'ties/direction': FLOWS,
};

/** A value in words; '' when there is none. `path`: `field`, `table/row/column`. */
export function valueWords(
  definition: FormDefinition | undefined,
  path: string,
  value: unknown,
  references?: Partial<References>,
): string {
  const field = definition ? fieldAt(definition, path) : null;
  if (definition && field)
    return plainText(definition, field, value, {
      users: references?.users ?? [],
      orgs: references?.orgs ?? [],
      persons: references?.persons ?? [],
    });
  const segments = path.split('/');
  const codes = NETWORK_CODES[`${segments[0] ?? ''}/${segments.at(-1) ?? ''}`];
  if (typeof value === 'string') {
    if (segments[0] === 'nodes' && segments.at(-1) === 'sex') return genderLabel(value);
    if (codes) return codes[value] ?? value;
  }
  return valueText(undefined, null, value);
}
