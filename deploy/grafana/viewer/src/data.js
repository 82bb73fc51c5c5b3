// Data: what Prometheus answers to a panel's queries, as Grafana's data source makes frames of it.

import { FieldType, standardTransformers, standardTransformersRegistry, toDataFrame, transformDataFrame } from '@grafana/data';
import { firstValueFrom } from 'rxjs';

standardTransformersRegistry.setInit(() =>
  [...new Set(Object.values(standardTransformers))].map((transformation) => ({ id: transformation.id, name: transformation.name, transformation: () => Promise.resolve(transformation) })));

/** The viewer's choices: those given, else what a variable begins with, else the first value there is. */
export async function choose(ask, dashboard, given) {
  const chosen = {};
  for (const variable of dashboard.templating.list.filter((one) => one.type === 'query')) {
    const [, selector, label] = /^label_values\((.*), (\w+)\)$/.exec(variable.query.query);
    const values = (await ask(`label/${label}/values`, { 'match[]': fill(selector, chosen) })).filter(
      (value) => !variable.regex || new RegExp(variable.regex).test(value));
    const first = values.includes(variable.current.value) ? variable.current.value : values[0];
    chosen[variable.name] = given[variable.name] ?? (variable.allValue || first);
  }
  return chosen;
}

export function fill(text, chosen, range = 3600) {
  const known = { __rate_interval: '15s', __range: `${range}s`, ...chosen };
  return text.replace(/\$(\w+)/g, (whole, name) => known[name] ?? whole);
}

/** The frames of a panel, transformed. */
export async function frames(ask, panel, chosen, time) {
  const { from, to } = time;
  const asked = panel.targets.map(async (target) => {
    const query = fill(target.expr, chosen, to - from);
    const result = target.instant
      ? await ask('query', { query, time: to })
      : await ask('query_range', { query, start: from, end: to, step: Math.max(1, Math.round((to - from) / 240)) });
    return asFrames(result.result, target, panel);
  });
  const all = (await Promise.all(asked)).flat();
  return transform(all, panel.transformations);
}

function asFrames(results, target, panel) {
  const times = (one) => (one.values ?? [one.value]).map(([at]) => at * 1000);
  const values = (one) => (one.values ?? [one.value]).map(([, value]) => Number(value));
  if (target.format === 'table') {
    const labels = [...new Set(results.flatMap((one) => Object.keys(one.metric)))].sort();
    const several = panel.targets.length > 1 && panel.type === 'table';
    return [toDataFrame({
      refId: target.refId,
      fields: [
        { name: 'Time', type: FieldType.time, values: results.map((one) => times(one)[0]) },
        ...labels.map((name) => ({ name, type: FieldType.string, values: results.map((one) => one.metric[name] ?? '') })),
        { name: several ? `Value #${target.refId}` : 'Value', type: FieldType.number, values: results.map((one) => values(one)[0]) },
      ],
    })];
  }
  if (target.format === 'heatmap') {
    const edge = (one) => Number(one.metric.le.replace('+Inf', 'Infinity'));
    results = results.sort((a, b) => edge(a) - edge(b));
    let below = 0;
    results = results.map((one) => {
      const all = values(one)[0];
      const own = { ...one, value: [times(one)[0] / 1000, Math.max(0, all - below)] };
      below = all;
      return own;
    });
  }
  return results.map((one) => {
    const legend = target.legendFormat === '__auto'
      ? Object.values(one.metric).join(' ')
      : target.legendFormat.replace(/\{\{(\w+)\}\}/g, (_, label) => one.metric[label] ?? '');
    return toDataFrame({
      refId: target.refId,
      fields: [
        { name: 'Time', type: FieldType.time, values: times(one) },
        { name: 'Value', type: FieldType.number, labels: one.metric, values: values(one), config: { displayNameFromDS: legend } },
      ],
    });
  });
}

async function transform(all, transformations) {
  for (const one of transformations) {
    all = one.id === 'configFromData' ? configured(all, one.options)
      : await firstValueFrom(transformDataFrame([one], all));
  }
  return all;
}

/** Grafana's "Config from query results", which its packages leave out, for what is used: a threshold. */
function configured(all, { configRefId }) {
  const [config] = all.filter((frame) => frame.refId === configRefId);
  const level = config?.fields.find((field) => field.name === 'Value')?.values.at(-1);
  return all.filter((frame) => frame.refId !== configRefId).map((frame) => ({
    ...frame,
    fields: frame.fields.map((field) => field.type !== FieldType.number || level === undefined ? field : {
      ...field,
      config: { ...field.config, thresholds: { mode: 'absolute', steps: [{ value: -Infinity, color: 'green' }, { value: level, color: 'red' }] } },
    }),
  }));
}
