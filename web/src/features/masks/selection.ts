/** Turning what is selected on the screen into a place in a field's text. */

export interface Selected {
  field: string;
  start: number;
  end: number;
  text: string;
}

/**
 * The selection within one painted field. The painted text is exactly the field's text (labels are
 * drawn by CSS), so the length of the text before the selection is its UTF-16 offset.
 */
export function selectedPlace(selection: Selection | null): Selected | null {
  if (!selection || selection.rangeCount === 0 || selection.isCollapsed) return null;
  const range = selection.getRangeAt(0);
  const startField = fieldOf(range.startContainer);
  const endField = fieldOf(range.endContainer);
  if (!startField || startField !== endField) return null;
  const before = document.createRange();
  before.selectNodeContents(startField);
  before.setEnd(range.startContainer, range.startOffset);
  return trimmed(startField.dataset['field'] ?? '', before.toString().length, range.toString());
}

function fieldOf(node: Node): HTMLElement | null {
  const element = node instanceof HTMLElement ? node : node.parentElement;
  return element?.closest<HTMLElement>('[data-field]') ?? null;
}

/** Spaces and line breaks at the edges of a drag are not meant. */
export function trimmed(field: string, start: number, text: string): Selected | null {
  const leading = text.length - text.trimStart().length;
  const inner = text.trim();
  if (inner === '' || field === '') return null;
  return { field, start: start + leading, end: start + leading + inner.length, text: inner };
}
