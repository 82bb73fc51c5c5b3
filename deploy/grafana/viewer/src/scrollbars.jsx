// Scrollbars: none, since a picture does not scroll. Grafana's tables ask an older module for theirs, whose default
// export today's bundlers wrap once more.

import { Component } from 'react';

export default class Scrollbars extends Component {
  render() {
    return <div style={{ height: '100%', overflow: 'hidden' }}>{this.props.children}</div>;
  }
}
