import { familyStrokes, strokes } from './geometry';
import { ECO_KINDS, GEN_KINDS, type NetworkMap } from './model';

const P = { x: 2, y: 10 };
const Q = { x: 46, y: 10 };

function Symbol({ children }: { children: React.ReactNode }) {
  return (
    <svg width="24" height="20" viewBox="0 0 24 20" aria-hidden="true" className="legend__symbol">
      {children}
    </svg>
  );
}

/** What the symbols and lines mean; of the family's only those that are drawn. */
export function Legend({ map, family }: { map: NetworkMap; family: boolean }) {
  const kinds = new Set(map.ties.flatMap((tie) => (tie.family === 'gen' ? [tie.kind] : [])));
  return (
    <ul className="legend" aria-label="凡例">
      <li>
        <Symbol>
          <rect x="4" y="2" width="16" height="16" />
        </Symbol>
        男
      </li>
      <li>
        <Symbol>
          <circle cx="12" cy="10" r="8" />
        </Symbol>
        女
      </li>
      <li>
        <Symbol>
          <path d="M12 1l9 9-9 9-9-9z" />
        </Symbol>
        その他・不明
      </li>
      <li>
        <Symbol>
          <rect x="4" y="2" width="16" height="16" />
          <rect x="7" y="5" width="10" height="10" />
        </Symbol>
        支援対象者
      </li>
      <li>
        <Symbol>
          <rect x="4" y="2" width="16" height="16" />
          <path d="M4 2l16 16M20 2L4 18" />
        </Symbol>
        死亡
      </li>
      {Object.entries(ECO_KINDS).map(([kind, label]) => (
        <li key={kind}>
          <svg width="48" height="20" aria-hidden="true">
            {strokes({ kind }, P, Q, { from: false, to: false }).map((stroke, index) => (
              <path
                key={index}
                d={stroke.d}
                className="map-tie__line"
                strokeWidth={stroke.width}
                strokeDasharray={stroke.dash}
              />
            ))}
          </svg>
          {label}
        </li>
      ))}
      <li>
        <svg width="48" height="20" aria-hidden="true">
          {strokes({ kind: 'normal' }, P, Q, { from: false, to: true }).map((stroke, index) => (
            <path
              key={index}
              d={stroke.d}
              className={stroke.filled ? 'map-tie__head' : 'map-tie__line'}
              strokeWidth={stroke.width}
            />
          ))}
        </svg>
        支援の向き
      </li>
      {family &&
        Object.entries(GEN_KINDS)
          .filter(([kind]) => kinds.has(kind))
          .map(([kind, label]) => (
            <li key={kind} className="legend__family">
              <svg width="48" height="20" aria-hidden="true">
                {familyStrokes(kind, P, Q).map((stroke, index) => (
                  <path
                    key={index}
                    d={stroke.d}
                    className={stroke.filled ? 'map-tie__head' : 'map-tie__line'}
                    strokeWidth={stroke.width}
                    strokeDasharray={stroke.dash}
                  />
                ))}
              </svg>
              {label}
            </li>
          ))}
      {map.households.length > 0 && (
        <li>
          <svg width="34" height="20" aria-hidden="true">
            <rect x="1" y="2" width="32" height="16" rx="8" fill="#eef3ff" stroke="#6b7fd6" />
          </svg>
          同じ世帯
        </li>
      )}
      <li>
        <span aria-hidden="true">★</span>キーパーソン
      </li>
    </ul>
  );
}
