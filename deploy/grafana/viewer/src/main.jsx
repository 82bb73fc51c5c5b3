// The viewer: one dashboard of the folder beside it, over a Prometheus.
//
// ?dashboard=callpulse-queues&prometheus=http://127.0.0.1:9090&minutes=60&queue=sales

import { createTheme, dateTimeForTimeZone } from '@grafana/data';
import { PanelChrome, ThemeContext, GlobalStyles } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { choose, fill, frames } from './data.js';
import { Panel } from './panels.jsx';

const { dashboard: name, prometheus, minutes = '60', ...given } = Object.fromEntries(new URLSearchParams(location.search));
const WIDTH = 1600;
const [COLUMN, ROW, GAP, HEAD] = [WIDTH / 24, 38, 8, 76];

async function ask(path, parameters) {
  const answer = await (await fetch(`${prometheus}/api/v1/${path}?${new URLSearchParams(parameters)}`)).json();
  if (answer.status !== 'success') throw new Error(`${parameters.query}: ${answer.error}`);
  return answer.data;
}

const theme = createTheme({ colors: { mode: 'dark' } });
const dashboard = await (await fetch(`/${name}.json`)).json();
const chosen = await choose(ask, dashboard, given);
const to = Math.floor(Date.now() / 1000);
const from = to - Number(minutes) * 60;
const moment = (seconds) => dateTimeForTimeZone('utc', seconds * 1000);
const time = { from, to, fromMoment: moment(from), toMoment: moment(to) };
const drawn = await Promise.all(dashboard.panels.map(async (panel) => ({ panel, frames: await frames(ask, panel, chosen, time) })));

const depth = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
const text = { color: theme.colors.text.primary, fontFamily: theme.typography.fontFamily };
const said = dashboard.templating.list.filter((one) => one.type === 'query').map((one) =>
  [one.label, chosen[one.name] === one.allValue ? 'All' : chosen[one.name]]);

function Page() {
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={{ ...text, position: 'relative', width: WIDTH, height: HEAD + depth * ROW + GAP, background: theme.colors.background.canvas }}>
        <div style={{ padding: '10px 12px', fontSize: 18, fontWeight: 500 }}>{dashboard.title}</div>
        <div style={{ padding: '0 12px', fontSize: 13, display: 'flex', gap: 8 }}>
          {said.map(([label, value]) => (
            <span key={label} style={{ border: `1px solid ${theme.colors.border.medium}`, borderRadius: 2 }}>
              <span style={{ padding: '3px 8px', background: theme.colors.background.secondary, display: 'inline-block' }}>{label}</span>
              <span style={{ padding: '3px 8px' }}>{value}</span>
            </span>
          ))}
        </div>
        {drawn.map(({ panel, frames }) => {
          const { x, y, w, h } = panel.gridPos;
          const [width, height] = [w * COLUMN - GAP, h * ROW - GAP];
          return (
            <div key={panel.id} style={{ position: 'absolute', left: x * COLUMN + GAP / 2, top: HEAD + y * ROW }}>
              <PanelChrome title={fill(panel.title, chosen)} width={width} height={height} padding={panel.type === 'table' ? 'none' : 'md'}>
                {(inner, tall) => <Panel panel={panel} frames={frames} theme={theme} time={time} width={inner} height={tall} />}
              </PanelChrome>
            </div>
          );
        })}
      </div>
    </ThemeContext.Provider>
  );
}

createRoot(document.getElementById('page')).render(<Page />);
// Two frames later everything is laid out.
requestAnimationFrame(() => requestAnimationFrame(() => document.body.setAttribute('data-drawn', 'yes')));
