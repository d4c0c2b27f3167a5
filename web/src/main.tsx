import '@digital-go-jp/design-tokens/dist/tokens.css';
import './ui/theme.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app/App';

const root = document.getElementById('root');
if (root)
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );

// The Japanese font is a hundred small files: text first, shapes after.
const loadFont = () => void import('@fontsource-variable/noto-sans-jp');
if ('requestIdleCallback' in window) window.requestIdleCallback(loadFont, { timeout: 3000 });
else setTimeout(loadFont, 1500);
