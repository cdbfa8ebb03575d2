/** The real window over the schema's fake engine, in one page: for designing screens and for browser tests without an engine. */
import '../../../app/style/index.css';
import type { EngineState } from '../../../main/api/state.ts';
import { mountWindow } from '../../../app/window.tsx';
import { emptyState } from '../fake-engine.ts';
import { memoryTransport } from '../memory-transport.ts';
import { manyState } from './many.ts';
import { sceneEngine } from './scene-engine.ts';
import { sceneState } from './scene.ts';

const query = new URLSearchParams(location.search);
const size = Number(query.get('services') ?? '0');
const nowMs = Date.now();
const state = query.has('empty') ? firstRun() : size > 0 ? manyState(size) : sceneState(nowMs);
/** As an engine stands before anything is enrolled, where it may not intercept. */
function firstRun(): EngineState {
  const state = emptyState();
  return { ...state, status: { ...state.status, proxy: { listen: '127.0.0.1:1080' } } };
}

const engine = sceneEngine(state, nowMs, { still: query.has('still') });
Object.assign(window, { engine });
const root = document.getElementById('root');
if (root !== null) mountWindow(root, { kind: 'console', open: () => memoryTransport(engine.dispatcher) });
