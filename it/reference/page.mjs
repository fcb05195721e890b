// Copyright 2026 The KVP4J authors
//
// Licensed under the Apache License, Version 2.0 (the "License");
// you may not use this file except in compliance with the License.
// You may obtain a copy of the License at
//
//     http://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing, software
// distributed under the License is distributed on an "AS IS" BASIS,
// WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
// See the License for the specific language governing permissions and
// limitations under the License.

// Uses a server's chat page in headless Chromium, as a visitor would:
//
//     node page.mjs http://127.0.0.1:8080/ screenshot.png
//
// Prints what is shown as JSON. Errors of the page's script, failed requests and requests to
// elsewhere are reported in it.

import chromium from "@sparticuz/chromium";
import puppeteer from "puppeteer-core";

const [url, screenshot] = process.argv.slice(2);
const browser = await puppeteer.launch({
  args: [...chromium.args, "--no-sandbox"],
  executablePath: process.env.KVP_CHROMIUM || await chromium.executablePath(),
  headless: "shell",
});
try {
  const page = await browser.newPage();
  const errors = [];
  page.on("pageerror", e => errors.push(String(e)));
  page.on("console", m => m.type() === "error" && errors.push(m.text()));
  // Chromium also calls a stream aborted that its page has read to the end before the network was
  // done with it; one that really breaks off is shown by the page, see below
  page.on("requestfailed", r => r.failure()?.errorText === "net::ERR_ABORTED"
    || errors.push(`${r.url()} failed: ${r.failure()?.errorText}`));
  page.on("request", r => r.url().startsWith(url) || r.url().startsWith("data:") || errors.push(`asks ${r.url()}`));
  await page.goto(url, {waitUntil: "networkidle0"});
  await page.type("#text", "What is the capital of France?");
  await page.$eval("#tokens", input => { input.value = "16"; });
  await page.click("#send");
  await page.waitForSelector(".side.off[data-ttft]", {timeout: 120000});
  await page.waitForSelector("#send:not([disabled])");
  errors.push(...await page.$$eval(".error", nodes => nodes.map(node => node.textContent)));
  const text = selector => page.$eval(selector, node => node.textContent);
  const shown = {
    model: await text("#model"),
    on: await text(".side.on .answer"),
    off: await text(".side.off .answer"),
    onStats: await text(".side.on .stats"),
    offStats: await text(".side.off .stats"),
    result: await text(".turn > .stats"),
    errors,
  };
  await page.screenshot({path: screenshot});
  console.log(JSON.stringify(shown));
} finally {
  await browser.close();
}
