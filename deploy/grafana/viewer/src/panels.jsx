// Panels: each with the widget of Grafana's own that it is drawn with. The state time line has none among the
// packages and is drawn here.

import { FieldColorModeId, FieldType, VizOrientation, applyFieldOverrides, FieldConfigOptionsRegistry, fieldReducers, getFieldDisplayName, reduceField } from '@grafana/data';
import { BarGauge, BigValue, Table, TimeSeries } from '@grafana/ui';

const properties = ['unit', 'decimals', 'min', 'max', 'color', 'thresholds', 'mappings', 'links', 'noValue', 'displayName'];
const customs = ['width', 'cellOptions', 'hidden', 'hideFrom', 'align', 'lineStyle', 'fillOpacity', 'lineWidth', 'axisPlacement',
  'drawStyle', 'lineInterpolation', 'showPoints', 'pointSize', 'spanNulls', 'stacking', 'axisSoftMin', 'axisSoftMax', 'thresholdsStyle', 'gradientMode',
  'scaleDistribution', 'axisLabel', 'axisBorderShow'];
const item = (isCustom) => (name) => ({
  id: isCustom ? `custom.${name}` : name, path: name, name, isCustom, process: (value) => value, shouldApply: () => true, settings: {},
});
const registry = new FieldConfigOptionsRegistry(() => [...properties.map(item(false)), ...customs.map(item(true))]);

/** A panel with its frames, in a space. */
export function Panel({ panel, frames, theme, time, width, height }) {
  const data = applyFieldOverrides({
    data: frames, fieldConfig: fitted(panel.fieldConfig), replaceVariables: (text) => text, theme, timeZone: 'utc', fieldConfigRegistry: registry,
  });
  const space = { width, height };
  const range = { from: time.fromMoment, to: time.toMoment, raw: { from: 'now-1h', to: 'now' } };
  switch (panel.type) {
    case 'stat': return <Stat {...{ panel, data, theme, space }} />;
    case 'bargauge': return <Bars {...{ panel, data, theme, space }} />;
    case 'table': return <Rows {...{ panel, data, space }} />;
    case 'state-timeline': return <States {...{ data, theme, space, time }} />;
    default:
      return <TimeSeries frames={data.filter((frame) => frame.length > 0)} {...space} timeRange={range} timeZone="utc" legend={panel.options.legend} structureRev={1} />;
  }
}

// What JSON cannot say: the first step begins below everything.
function fitted(config) {
  const steps = (thresholds) => thresholds && ({
    ...thresholds, steps: thresholds.steps.map((step) => ({ ...step, value: step.value ?? -Infinity })),
  });
  return {
    defaults: { ...config.defaults, thresholds: steps(config.defaults.thresholds) },
    overrides: config.overrides.map((one) => ({
      ...one,
      properties: one.properties.map((property) => property.id === 'thresholds' ? { ...property, value: steps(property.value) } : property),
    })),
  };
}

function numbers(data) {
  return data.flatMap((frame) => frame.fields.filter((field) => field.type === FieldType.number).map((field) => {
    const value = reduceField({ field, reducers: ['lastNotNull'] }).lastNotNull;
    return { field, display: { ...field.display(value), title: getFieldDisplayName(field, frame, data) } };
  }));
}

function Stat({ panel, data, theme, space }) {
  const [first] = numbers(data);
  const value = first?.display ?? { text: panel.fieldConfig.defaults.noValue ?? 'No data', numeric: NaN, color: theme.colors.text.disabled };
  return <BigValue {...space} theme={theme} value={{ ...value, title: undefined }} colorMode={first ? panel.options.colorMode : 'value'}
    graphMode="none" justifyMode={panel.options.justifyMode} textMode="value" />;
}

function Bars({ panel, data, theme, space }) {
  const all = numbers(data);
  const most = Math.max(1e-9, ...all.map(({ display }) => display.numeric));
  const row = Math.min(40, Math.floor(space.height / Math.max(1, all.length)));
  return all.map(({ field, display }) => (
    <div key={display.title} style={{ marginBottom: 2 }}>
      <BarGauge width={space.width} height={row - 2} theme={theme} value={display} field={{ ...field.config, min: 0, max: field.config.max ?? most }}
        display={field.display} orientation={VizOrientation.Horizontal} displayMode={panel.options.displayMode} showUnfilled
        alignmentFactors={{ title: 'up to 1200.0 s', text: '10000.0' }} text={{ titleSize: 12, valueSize: 13 }} />
    </div>
  ));
}

function Rows({ panel, data, space }) {
  const [frame] = data;
  if (!frame?.length) return <p style={{ textAlign: 'center' }}>{panel.fieldConfig.defaults.noValue ?? 'No data'}</p>;
  const cell = { sm: 'sm', md: 'md' }[panel.options.cellHeight] ?? 'sm';
  const seen = { ...frame, fields: frame.fields.filter((field) => !field.config.custom?.hidden) };
  return <Table data={seen} {...space} cellHeight={cell} columnMinWidth={40} initialSortBy={panel.options.sortBy ?? []} />;
}

function States({ data, theme, space, time }) {
  const left = 90;
  const rows = data.slice(0, 24);
  const high = (space.height - 22) / Math.max(1, rows.length);
  const x = (at) => left + ((at / 1000 - time.from) / (time.to - time.from)) * (space.width - left - 8);
  const seen = new Map();
  const bars = rows.flatMap((frame, row) => {
    const [times, values] = [frame.fields[0].values, frame.fields[1].values];
    const step = (time.to - time.from) / 240 * 1000;
    return times.map((at, place) => {
      const shown = frame.fields[1].display(values[place]);
      seen.set(shown.text, shown.color);
      const until = times[place + 1] ?? at + step;
      return <rect key={`${row} ${at}`} x={x(at)} y={row * high + 1} height={high - 2} fill={shown.color} fillOpacity={0.8}
        width={Math.max(1, x(Math.min(until, at + 2 * step)) - x(at))} />;
    });
  });
  const names = rows.map((frame, row) => (
    <text key={row} x={left - 8} y={row * high + high / 2 + 4} textAnchor="end" fontSize="12" fill={theme.colors.text.primary}>
      {getFieldDisplayName(frame.fields[1], frame, data)}
    </text>
  ));
  const legend = [...seen].map(([text, colour], place) => (
    <g key={text} transform={`translate(${left + place * 130}, ${space.height - 14})`}>
      <rect width="14" height="4" y="3" fill={colour} /><text x="20" y="9" fontSize="12" fill={theme.colors.text.primary}>{text}</text>
    </g>
  ));
  return <svg width={space.width} height={space.height}>{bars}{names}{legend}</svg>;
}
