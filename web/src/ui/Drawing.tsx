import { useEffect, useRef } from 'react';
import './drawing.css';

/** What a drawing may consist of; anything else in it is left out. */
const DRAWN = new Set(
  'svg g path rect circle ellipse line polyline polygon text tspan title desc defs marker pattern clipPath'.split(
    ' ',
  ),
);

/**
 * A drawing of the server's (SVG), set into the page: shown as `<img>` it could not use the page's own
 * typeface, and machines without a Japanese one would show empty boxes. `label` says what it shows.
 */
export function Drawing({
  svg,
  label,
  className,
}: {
  svg: string;
  label: string;
  className?: string;
}) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const drawn = safeDrawing(svg);
    place.current?.replaceChildren(...(drawn ? [drawn] : []));
  }, [svg]);
  return (
    <div
      ref={place}
      role="img"
      aria-label={label}
      className={['drawing', className].filter(Boolean).join(' ')}
    />
  );
}

/** The picture without scripts, handlers, links and foreign content; null when it is no picture. */
export function safeDrawing(svg: string): SVGElement | null {
  const root = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement;
  if (root.localName !== 'svg') return null;
  for (const element of [...root.querySelectorAll('*')]) {
    if (!DRAWN.has(element.localName)) {
      element.remove();
      continue;
    }
    for (const { name } of [...element.attributes])
      if (/^on|href$/i.test(name)) element.removeAttribute(name);
  }
  for (const { name } of [...root.attributes]) if (/^on/i.test(name)) root.removeAttribute(name);
  const [width, height] = [root.getAttribute('width'), root.getAttribute('height')];
  if (width && height && !root.hasAttribute('viewBox'))
    root.setAttribute('viewBox', `0 0 ${parseFloat(width)} ${parseFloat(height)}`);
  return document.importNode(root, true) as unknown as SVGElement;
}

/** What stands in a drawing, in its order: for those who cannot see it. */
export function textsOf(svg: string): string[] {
  const drawn = safeDrawing(svg);
  if (!drawn) return [];
  return [...drawn.querySelectorAll('text')]
    .map((element) => element.textContent?.trim() ?? '')
    .filter((text) => text !== '');
}
