/** Mounts the window on the page the shell or the console loaded. */
import './style/index.css';
import { chooseBridge } from './bridge/bridge.ts';
import { mountWindow } from './window.tsx';

// a token that let this page in is spent: it leaves the address, and so the history
if (location.search !== '') history.replaceState(null, '', location.pathname + location.hash);

const root = document.getElementById('root');
if (root !== null) mountWindow(root, chooseBridge(window));
