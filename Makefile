# Verbs; the scripts do the work.
.PHONY: help setup lint test demo site package

help:     ## list the verbs
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/ -/'

setup:    ## make .venv with the window on PyQt6
	bash -c '. scripts/_setup.sh dev,test,pyqt6'

lint:     ## style, types and spelling
	bash scripts/lint.sh

test:     ## all tests
	bash scripts/test.sh

demo:     ## the main job on sample micrographs
	bash scripts/demo.sh

site:     ## the documentation as a site, checked, in site
	bash scripts/site.sh

package:  ## wheel and source archive, checked, in dist
	bash scripts/package.sh
