// Draws panels with Grafana's own React components (npm @grafana/ui) from the answers in window.LOOK, as Grafana would:
// answer -> frames -> transformations -> field settings and overrides (@grafana/data) -> component.
// What npm does not have is written here, as little as there is: the reading of an InfluxQL answer, the registry of field
// settings, and what the panel plug-ins stat, time series and table hand to their components.
import React from "react";
import { createRoot } from "react-dom/client";
import { flushSync } from "react-dom";
import {
  applyFieldOverrides, cacheFieldDisplayNames, createTheme, dateTime, EventBusSrv, FieldConfigOptionsRegistry, FieldType, getDisplayValueAlignmentFactors, getFieldDisplayValues,
  identityOverrideProcessor, standardTransformers, standardTransformersRegistry, ThemeContext, toDataFrame, transformDataFrame,
} from "@grafana/data";
import { BigValue, GlobalStyles, PanelChrome, PanelContextRoot, TimeSeries, VizRepeater } from "@grafana/ui";
import { TableNG } from "@grafana/ui/unstable";

const theme = createTheme({ colors: { mode: window.LOOK.mode } });
const { from, to } = window.LOOK;
const timeRange = { from: dateTime(from), to: dateTime(to), raw: { from: dateTime(from), to: dateTime(to) } };
const timeZone = "utc";
standardTransformersRegistry.setInit(() =>
  [...new Map(Object.values(standardTransformers).map((one) => [one.id, { id: one.id, name: one.name, transformation: () => Promise.resolve(one) }])).values()],
);

const STANDARD = ["unit", "min", "max", "decimals", "displayName", "description", "color", "noValue", "links", "mappings", "thresholds", "actions"];
const CUSTOM = {
  timeseries: {
    drawStyle: "line", lineInterpolation: "linear", lineWidth: 1, fillOpacity: 0, gradientMode: "none", showPoints: "auto", pointSize: 5,
    lineStyle: { fill: "solid" }, spanNulls: false, axisPlacement: "auto", axisLabel: "", scaleDistribution: { type: "linear" },
    stacking: { mode: "none", group: "A" }, hideFrom: { legend: false, tooltip: false, viz: false }, fillBelowTo: undefined, thresholdsStyle: { mode: "off" },
  },
  table: { align: "auto", cellOptions: { type: "auto" }, width: undefined, minWidth: undefined, inspect: false, filterable: undefined },
  stat: {},
};

/** The settings a panel kind knows, each taken over as it is; those under `custom` with the plug-in's own default. */
function registryOf(kind) {
  const registry = new FieldConfigOptionsRegistry();
  const shared = { override: () => null, process: identityOverrideProcessor, shouldApply: () => true, getItemsCount: () => 0, editor: () => null };
  for (const id of STANDARD) registry.register({ ...shared, id, path: id, name: id });
  for (const [id, preset] of Object.entries(CUSTOM[kind]))
    registry.register({ ...shared, id: `custom.${id}`, path: id, name: id, isCustom: true, process: (value) => value ?? preset });
  return registry;
}

/** The frames of one query's answer: a table as one frame, tags among its columns; else a frame for each series and column. */
function* framesOf({ resultFormat, alias = "", refId }, series) {
  if (resultFormat === "table") {
    const columns = new Map([["Time", []]]);
    for (const one of series) {
      const names = one.columns.map((name) => (name === "time" ? "Time" : name));
      for (const row of one.values) {
        const cells = { ...one.tags, ...Object.fromEntries(names.map((name, i) => [name, row[i]])) };
        for (const [name, value] of Object.entries(cells)) columns.get(name)?.push(value) ?? columns.set(name, [value]);
      }
    }
    yield toDataFrame({ refId, fields: [...columns].map(([name, values]) => ({ name, values, type: name === "Time" ? FieldType.time : undefined })) });
    return;
  }
  for (const { columns, values, tags = {}, name } of series)
    for (let i = 1; i < columns.length; i++) {
      const title = alias.replace("$col", columns[i]).replace(/\$tag_(\w+)/g, (_, tag) => tags[tag] ?? "") || `${name}.${columns[i]}`;
      yield toDataFrame({
        refId, name: title,
        fields: [
          { name: "Time", type: FieldType.time, values: values.map((row) => row[0]) },
          { name: "Value", type: typeof values[0]?.[i] === "string" ? FieldType.string : FieldType.number, labels: tags, values: values.map((row) => row[i]), config: { displayNameFromDS: title } },
        ],
      });
    }
}

async function dataOf({ panel, answers }) {
  if (!KINDS[panel.type]) return [];
  const raw = panel.targets.flatMap((target, i) => [...framesOf(target, answers[i])]);
  const shaped = await new Promise((done) => transformDataFrame(panel.transformations ?? [], raw).subscribe(done));
  const set = applyFieldOverrides({ data: shaped, fieldConfig: panel.fieldConfig, fieldConfigRegistry: registryOf(panel.type), replaceVariables: filled, theme, timeZone, timeRange });
  cacheFieldDisplayNames(set);
  return set;
}

function filled(text) {
  return String(text).replaceAll("$line", window.LOOK.line);
}

function Stat({ panel, data, width, height }) {
  const { reduceOptions, orientation, ...options } = panel.options;
  const values = () => getFieldDisplayValues({ fieldConfig: panel.fieldConfig, reduceOptions, replaceVariables: filled, theme, data, timeZone });
  return (
    <VizRepeater
      getValues={values} width={width} height={height} orientation={orientation} source={data} itemSpacing={3} autoGrid
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, width, height, count, alignmentFactors }) => (
        <BigValue
          value={value.display} count={count} alignmentFactors={alignmentFactors} width={width} height={height} theme={theme} colorMode={options.colorMode} graphMode={options.graphMode}
          justifyMode={options.justifyMode} textMode={options.textMode} disableWideLayout={!options.wideLayout}
        />
      )}
    />
  );
}

function Lines({ panel, data, width, height }) {
  const graphed = data.map((frame) => ({ ...frame, fields: frame.fields.filter(({ type }) => type === FieldType.time || type === FieldType.number) }));
  return <TimeSeries frames={graphed} width={width} height={height} timeRange={timeRange} timeZone={timeZone} legend={panel.options.legend} options={panel.options} />;
}

function Table({ panel, data, width, height }) {
  const { sortBy, cellHeight, showHeader } = panel.options;
  return (
    <TableNG
      data={data[0]} width={width} height={height} noHeader={!showHeader} sortBy={sortBy} cellHeight={cellHeight} enableVirtualization={false}
      fieldConfig={panel.fieldConfig} timeRange={timeRange} structureRev={1}
    />
  );
}

const KINDS = { stat: Stat, timeseries: Lines, table: Table };
const CELL = { width: 57.5, height: 38, gap: 8 }; // Grafana's grid on a screen of 1,400 px

function Panel({ shown, data }) {
  const { panel } = shown;
  const { x, y, w, h } = panel.gridPos;
  const width = w * CELL.width - CELL.gap, height = h * CELL.height - CELL.gap;
  const Drawn = KINDS[panel.type];
  const isEmpty = Drawn && !data.some((frame) => frame.length);
  return (
    <div id={`panel-${shown.name}`} style={{ position: "absolute", left: x * CELL.width, top: y * CELL.height, width, height }}>
      <PanelChrome title={filled(panel.title)} description={panel.description} width={width} height={height}>
        {(innerWidth, innerHeight) =>
          !Drawn ? <div className="empty">{panel.type}: not drawn here, Grafana publishes no component for it</div>
          : isEmpty ? <div className="empty">{panel.fieldConfig.defaults.noValue}</div>
          : <Drawn panel={panel} data={data} width={innerWidth} height={innerHeight} />
        }
      </PanelChrome>
    </div>
  );
}

class Caught extends React.Component {
  state = { error: null };
  static getDerivedStateFromError(error) {
    return { error };
  }
  componentDidCatch(error) {
    window.LOOK.errors.push(`${this.props.name}: ${error.stack ?? error}`);
  }
  render() {
    return this.state.error ? null : this.props.children;
  }
}

async function draw() {
  window.LOOK.errors = [];
  const panels = window.LOOK.panels;
  const found = await Promise.all(panels.map(dataOf));
  const root = createRoot(document.getElementById("board"));
  const context = { eventsScope: "global", eventBus: new EventBusSrv(), onSeriesColorChange() {}, canAddAnnotations: () => false };
  flushSync(() =>
    root.render(
      <ThemeContext.Provider value={theme}>
        <GlobalStyles />
        <PanelContextRoot value={context}>
          {panels.map((shown, i) => (
            <Caught key={shown.name} name={shown.name}>
              <Panel shown={shown} data={found[i]} />
            </Caught>
          ))}
        </PanelContextRoot>
      </ThemeContext.Provider>,
    ),
  );
  document.getElementById("board").style.height = `${Math.max(...panels.map(({ panel: { gridPos } }) => (gridPos.y + gridPos.h) * CELL.height))}px`;
  document.body.style.background = theme.colors.background.canvas;
  setTimeout(() => (window.LOOK.done = true), 1500); // charts draw in a later frame
}

draw().catch((error) => {
  window.LOOK.errors.push(String(error.stack ?? error));
  window.LOOK.done = true;
});
