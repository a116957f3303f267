// Looks at the customer's page in Chromium, in every language, width and colour scheme; see .ci/page.
//
// A picture of each goes into the folder that is named.

const { execFileSync } = require('node:child_process');
const path = require('node:path');
const puppeteer = require('puppeteer-core');

const AXE = require.resolve('axe-core/axe.min.js');
const RULES = { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] };
const LANGUAGES = { en: 'ltr', et: 'ltr', de: 'ltr', fr: 'ltr', es: 'ltr', 'he-XB': 'rtl' };
const WIDTHS = { phone: 375, desk: 1000 };
const WHO = 'ext:mari';

function call(method, request) {
  const said = execFileSync(process.env.CARNET_PROGRAM, ['call', method, JSON.stringify(request)], {
    encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(said);
}

// The link that the newest e-mail's button leads to.
function link() {
  const { emails } = call('EmailService/ListEmails', { customer_id: WHO });
  for (const { id } of emails) {
    const { email } = call('EmailService/GetEmail', { email_id: id });
    const found = /http\S*\/packages\/\S+/.exec(email.text_body ?? '');
    if (found) return found[0];
  }
  throw new Error('no e-mail leads to the page');
}

async function check(page, language, direction) {
  const faults = [];
  const seen = await page.evaluate(() => ({
    language: document.documentElement.lang,
    direction: getComputedStyle(document.body).direction,
    wide: document.documentElement.scrollWidth - window.innerWidth,
    scripts: document.scripts.length,
    packages: document.querySelectorAll('.package').length,
    styled: getComputedStyle(document.querySelector('.package')).borderRadius,
  }));
  if (seen.language !== language) faults.push(`its language is ${seen.language}`);
  if (seen.direction !== direction) faults.push(`it is written ${seen.direction}`);
  if (seen.wide > 0) faults.push(`it sticks out by ${seen.wide} pixels`);
  if (seen.scripts > 0) faults.push('it has a script');
  if (seen.packages === 0) faults.push('it has no package');
  if (seen.styled === '0px') faults.push('its style was not loaded');
  return faults;
}

async function rules(page) {
  await page.addScriptTag({ path: AXE });
  const { violations } = await page.evaluate((options) => window.axe.run(document, options), RULES);
  return violations.map((it) => `${it.id}: ${it.help} (${it.nodes.map((node) => node.html).join(' ')})`);
}

async function main(folder) {
  const address = link();
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'],
  });
  let faults = 0;
  for (const [language, direction] of Object.entries(LANGUAGES)) {
    call('CustomerService/UpdateCustomer', { customer: { id: WHO, locale: language }, update_mask: 'locale' });
    for (const [name, width] of Object.entries(WIDTHS)) {
      for (const scheme of ['light', 'dark']) {
        const page = await browser.newPage();
        // The rules are a script of ours; the page itself has none and allows none.
        await page.setBypassCSP(true);
        await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
        await page.setViewport({ width, height: 800 });
        await page.goto(address, { waitUntil: 'load' });
        const found = [...await check(page, language, direction), ...await rules(page)];
        // A picture beyond the view would be shifted where it is written from right to left and a part scrolls.
        const height = await page.evaluate(() => document.documentElement.scrollHeight);
        await page.setViewport({ width, height: Math.max(height, 800) });
        await page.screenshot({ path: path.join(folder, `${language}-${name}-${scheme}.png`) });
        for (const fault of found) console.log(`${language}, ${name}, ${scheme}: ${fault}`);
        faults += found.length;
        await page.close();
      }
    }
  }
  await browser.close();
  console.log(faults === 0 ? 'All is well.' : `${faults} faults`);
  process.exitCode = faults === 0 ? 0 : 1;
}

main(process.argv[2]);
