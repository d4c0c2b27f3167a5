import { lazy, type ComponentType, type LazyExoticComponent } from 'react';
import type { PageProps } from './routes';

type PageModule = { default: ComponentType<PageProps> };

/** Every page file, loaded when it is first shown. */
const MODULES = import.meta.glob<PageModule>('../features/*/*Page.tsx');

const loaded = new Map<string, LazyExoticComponent<ComponentType<PageProps>>>();

/** Whether `src/features/<page>.tsx` exists. */
export function pageExists(page: string): boolean {
  return `../features/${page}.tsx` in MODULES;
}

/** The component of a page, by its name in the route table. */
export function pageComponent(page: string): LazyExoticComponent<ComponentType<PageProps>> {
  const known = loaded.get(page);
  if (known) return known;
  const load = MODULES[`../features/${page}.tsx`];
  if (!load) throw new Error(`no page ${page}`);
  const component = lazy(load);
  loaded.set(page, component);
  return component;
}
