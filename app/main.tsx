/** Mounts the window on the page the shell or the console loaded. */
import './style/index.css';
import { chooseBridge } from './bridge/bridge.ts';
import { mountWindow } from './window.tsx';

const root = document.getElementById('root');
if (root !== null) mountWindow(root, chooseBridge(window));
