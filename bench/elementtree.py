"""Reads a sitemap with ElementTree and json, and writes the same lines as `crawl parse`.

usage: elementtree.py iterparse|fromstring FILE

`iterparse` frees each entry after writing it; `fromstring` builds the whole tree first.
"""

import json
import sys
import xml.etree.ElementTree as ElementTree
from datetime import datetime, timezone

SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
NEWS = "{http://www.google.com/schemas/sitemap-news/0.9}"
URL = SITEMAP + "url"
IMAGE = "{http://www.google.com/schemas/sitemap-image/1.1}"

NEWS_KEYS = ("title", "publication_date", "keywords")
IMAGE_KEYS = ("loc", "title", "caption")

encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def line(url):
    entry = {"type": "url", "loc": url.findtext(SITEMAP + "loc")}
    lastmod = url.findtext(SITEMAP + "lastmod")
    if lastmod is not None:
        at = datetime.fromisoformat(lastmod).astimezone(timezone.utc)
        entry["lastmod"] = lastmod
        entry["lastmod_at"] = at.isoformat()[:-6] + "Z"
    changefreq = url.findtext(SITEMAP + "changefreq")
    if changefreq is not None:
        entry["changefreq"] = changefreq
    priority = url.findtext(SITEMAP + "priority")
    if priority is not None:
        entry["priority"] = float(priority)
    news = url.find(NEWS + "news")
    if news is not None:
        entry["news"] = record = {}
        publication = news.find(NEWS + "publication")
        record["name"] = publication.findtext(NEWS + "name")
        record["language"] = publication.findtext(NEWS + "language")
        for key in NEWS_KEYS:
            text = news.findtext(NEWS + key)
            if text is not None:
                record[key] = text
    images = url.findall(IMAGE + "image")
    if images:
        entry["images"] = records = []
        for image in images:
            record = {}
            for key in IMAGE_KEYS:
                text = image.findtext(IMAGE + key)
                if text is not None:
                    record[key] = text
            records.append(record)
    return encode(entry) + "\n"


def iterparse(path, write):
    # Handling end events only is a third faster. Finished entries stay in the root, but empty.
    for _, element in ElementTree.iterparse(path):
        if element.tag == URL:
            write(line(element))
            element.clear()


def fromstring(path, write):
    with open(path, "rb") as file:
        root = ElementTree.fromstring(file.read())
    for url in root.iterfind(SITEMAP + "url"):
        write(line(url))


{"iterparse": iterparse, "fromstring": fromstring}[sys.argv[1]](sys.argv[2], sys.stdout.write)
