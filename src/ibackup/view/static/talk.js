// What a conversation needs beside app.js: no day twice where two parts meet, and no page that grows without end.
// What leaves the page at one end can be had again there: the link of that end names the last message that stays.
'use strict';
(() => {
  const MOST = 1200, KEPT = 700;
  const messages = talk => [...talk.children].filter(each => each.dataset.id);

  function once(talk) {
    let last = '';
    for (const day of talk.querySelectorAll(':scope > .day')) {
      if (day.dataset.day === last) day.remove(); else last = day.dataset.day;
    }
  }

  function link(talk, name, id, atStart) {
    const address = new URL(talk.dataset.here, location.href);
    address.searchParams.set(name, id);
    const found = talk.parentElement.querySelector(`a[data-more]${atStart ? '[data-more-to="start"]' : ':not([data-more-to])'}`);
    if (found) { found.href = address; return; }
    const made = document.querySelector(atStart ? '#more-earlier' : '#more-later').content.cloneNode(true);
    made.querySelector('a').href = address;
    const box = made.firstElementChild;
    if (atStart) talk.before(made); else { talk.parentElement.querySelector('#newest')?.remove(); talk.after(made); }
    document.dispatchEvent(new CustomEvent('added', { detail: { root: box } }));
  }

  // The end that is farther from what is seen loses the most; nothing that is in view moves.
  function trim(talk) {
    const all = messages(talk);
    if (all.length <= MOST) return;
    const middle = innerHeight / 2, box = talk.getBoundingClientRect();
    const fromStart = middle - box.top > box.bottom - middle;
    if (fromStart) {
      const height = document.documentElement.scrollHeight;
      while (talk.firstElementChild !== all[all.length - KEPT]) talk.firstElementChild.remove();
      scrollBy(0, document.documentElement.scrollHeight - height);
      link(talk, 'before', all[all.length - KEPT].dataset.id, true);
    } else {
      while (talk.lastElementChild !== all[KEPT - 1]) talk.lastElementChild.remove();
      link(talk, 'after', all[KEPT - 1].dataset.id, false);
    }
  }

  function tidy() {
    const talk = document.querySelector('#talk');
    if (talk) { once(talk); trim(talk); }
    const current = document.querySelector('.pane-list a[aria-current]'), list = current?.closest('.pane-list');
    if (list && list.scrollHeight > list.clientHeight) list.scrollTop = current.offsetTop - list.clientHeight / 2;
  }

  document.addEventListener('shown', tidy);
  tidy();
})();
