import { useQuery } from '@tanstack/react-query';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { Button, Select } from '../../ui';
import { placeOf, postalDigits, replaces } from './register';

/** More places than these are chosen from a list. */
const BUTTONS = 4;

/** Under a postal code: the place it stands for, to be taken over as the beginning of the address. */
export function PostalPlaces({
  code,
  address,
  onTake,
}: {
  code: string;
  address: string;
  onTake: (address: string) => void;
}) {
  const digits = postalDigits(code);
  const query = useQuery({
    queryKey: ['postal-code', digits],
    queryFn: () =>
      api.post<Schema<'PostalCodePlaces'>>('postal-codes/search', { code: digits ?? '' }),
    enabled: digits !== null,
    staleTime: Infinity,
  });
  if (digits === null || !query.data) return <div role="status" />;
  const places = [...new Set(query.data.items.map(placeOf))];
  // What is written there already begins with it: nothing left to do.
  const written = places.some((place) => address.trim().startsWith(place));
  return (
    <div role="status" className="postal-places">
      {places.length === 0 && (
        <p className="soft">この郵便番号は見つかりません。番号を確かめてください。</p>
      )}
      {!written &&
        places.length <= BUTTONS &&
        places.map((place) => (
          <Button key={place} size="s" icon="plus" onClick={() => onTake(place)}>
            {replaces(address) ? `住所を「${place}」に書き換える` : `「${place}」を住所に入れる`}
          </Button>
        ))}
      {!written && places.length > BUTTONS && (
        <Select
          label="この郵便番号の町名"
          value=""
          empty={replaces(address) ? '選ぶと住所が書き換わります' : '選ぶと住所に入ります'}
          options={places.map((place) => ({ code: place, label: place }))}
          onChange={onTake}
        />
      )}
    </div>
  );
}
