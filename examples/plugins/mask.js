// The plug-in `mask` in JavaScript: puts what the program's table `people` says in place of names.

import { Table } from 'text:plugins/data@1.1.0';
import { log } from 'text:plugins/logging@1.1.0';

let people; // of the first line, for all that follow

export const filters = {
  describe() {
    const help = 'puts a role in place of a name';
    return { name: 'mask-js', version: '1.0.0', filters: [{ name: 'mask-js', help }] };
  },

  apply(filter, text) {
    if (!people) {
      const table = Table.open('people'); // throws the error that it returns
      people = table.keys().map((name) => [name, table.get(name)]);
      log('info', `${people.length} names are masked`);
    }
    return people.reduce((text, [name, role]) => text.replaceAll(name, role), text);
  },
};
