// Serves the viewer, and the dashboards as they are committed.
export default {
  publicDir: '../dashboards',
  server: { host: '127.0.0.1' },
  define: { 'process.env': {}, global: 'globalThis' },
  resolve: { alias: { 'react-custom-scrollbars-2': new URL('./src/scrollbars.jsx', import.meta.url).pathname } },
};
