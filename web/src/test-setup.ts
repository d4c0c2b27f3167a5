import { cleanup } from '@testing-library/react';
import { afterEach } from 'vitest';

// happy-dom keeps one document per file: unmount between tests.
afterEach(() => cleanup());
