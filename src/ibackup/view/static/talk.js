// What a conversation needs beside app.js: no day twice where two parts meet, and no page that grows without end.
'use strict';
(() => {
  const MOST = 1500, KEPT = 900;

  function tidy() {
    const talk = document.querySelector('#talk');
    if (!talk) return;
    let last = '';
    for (const day of talk.querySelectorAll(':scope > .day')) {
      if (day.dataset.day === last) day.remove(); else last = day.dataset.day;
    }
    const current = document.querySelector('.pane-list [aria-current]');
    const list = current?.closest('.pane-list');
    if (list && list.scrollHeight > list.clientHeight) list.scrollTop = current.offsetTop - list.clientHeight / 2;
  }

  document.addEventListener('shown', tidy);
  tidy();
})();
